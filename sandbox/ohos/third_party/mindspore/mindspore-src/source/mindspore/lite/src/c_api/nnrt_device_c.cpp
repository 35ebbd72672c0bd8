// SPDX-License-Identifier: Apache-2.0
// NNRt's devices as MindSpore Lite lists them. A model is never run on one here: HasProcessor() asks for the processor.
#include "context_c.h"

#include <stdlib.h>
#include <string.h>

#include "neural_network_runtime/neural_network_core.h"

constexpr size_t LONGEST_NAME = 128;

struct NNRTDeviceDesc {
    size_t id;
    OH_AI_NNRTDeviceType type;
    char name[LONGEST_NAME];
};

NNRTDeviceDesc *OH_AI_GetAllNNRTDeviceDescs(size_t *num)
{
    const size_t *ids = nullptr;
    uint32_t count = 0;
    if (num == nullptr) {
        return nullptr;
    }
    *num = 0;
    if (OH_NNDevice_GetAllDevicesID(&ids, &count) != OH_NN_SUCCESS || count == 0) {
        return nullptr;
    }
    NNRTDeviceDesc *made = static_cast<NNRTDeviceDesc *>(calloc(count, sizeof(NNRTDeviceDesc)));
    for (uint32_t i = 0; made != nullptr && i < count; i++) {
        const char *name = nullptr;
        OH_NN_DeviceType type = OH_NN_OTHERS;
        if (OH_NNDevice_GetName(ids[i], &name) == OH_NN_SUCCESS && OH_NNDevice_GetType(ids[i], &type) == OH_NN_SUCCESS) {
            made[*num].id = ids[i];
            made[*num].type = static_cast<OH_AI_NNRTDeviceType>(type);    // the same numbers
            strncpy(made[*num].name, name, LONGEST_NAME - 1);
            ++*num;
        }
    }
    return made;
}

NNRTDeviceDesc *OH_AI_GetElementOfNNRTDeviceDescs(NNRTDeviceDesc *descs, size_t index)
{
    return descs == nullptr ? nullptr : descs + index;
}

void OH_AI_DestroyAllNNRTDeviceDescs(NNRTDeviceDesc **desc)
{
    if (desc != nullptr) {
        free(*desc);
        *desc = nullptr;
    }
}

size_t OH_AI_GetDeviceIdFromNNRTDeviceDesc(const NNRTDeviceDesc *desc)
{
    return desc == nullptr ? 0 : desc->id;
}

const char *OH_AI_GetNameFromNNRTDeviceDesc(const NNRTDeviceDesc *desc)
{
    return desc == nullptr ? nullptr : desc->name;
}

OH_AI_NNRTDeviceType OH_AI_GetTypeFromNNRTDeviceDesc(const NNRTDeviceDesc *desc)
{
    return desc == nullptr ? OH_AI_NNRTDEVICE_OTHERS : desc->type;
}

namespace {
// The first device that has this name, or where no name is given this type.
OH_AI_DeviceInfoHandle First(const char *name, OH_AI_NNRTDeviceType type)
{
    size_t count = 0;
    NNRTDeviceDesc *descs = OH_AI_GetAllNNRTDeviceDescs(&count);
    OH_AI_DeviceInfoHandle made = nullptr;
    for (size_t i = 0; i < count && made == nullptr; i++) {
        if (name != nullptr ? strcmp(descs[i].name, name) == 0 : descs[i].type == type) {
            made = OH_AI_DeviceInfoCreate(OH_AI_DEVICETYPE_NNRT);
            OH_AI_DeviceInfoSetDeviceId(made, descs[i].id);
        }
    }
    OH_AI_DestroyAllNNRTDeviceDescs(&descs);
    return made;
}
}

OH_AI_DeviceInfoHandle OH_AI_CreateNNRTDeviceInfoByName(const char *name)
{
    return name == nullptr ? nullptr : First(name, OH_AI_NNRTDEVICE_OTHERS);
}

OH_AI_DeviceInfoHandle OH_AI_CreateNNRTDeviceInfoByType(OH_AI_NNRTDeviceType type)
{
    return First(nullptr, type);
}
