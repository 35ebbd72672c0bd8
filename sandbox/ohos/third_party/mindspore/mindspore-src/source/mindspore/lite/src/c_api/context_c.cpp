// SPDX-License-Identifier: Apache-2.0
// Contexts: a thread number and the devices that were added. The context owns what was added, as in the real library.
#include "context_c.h"

#include <stdlib.h>

namespace {
constexpr int32_t DEFAULT_THREADS = 2;

struct DeviceInfo {
    OH_AI_DeviceType type;
    DeviceInfo *next;
};

struct Context {
    int32_t threads;
    DeviceInfo *devices;
};
}

OH_AI_ContextHandle OH_AI_ContextCreate(void)
{
    auto *made = static_cast<Context *>(calloc(1, sizeof(Context)));
    if (made != nullptr) {
        made->threads = DEFAULT_THREADS;
    }
    return made;
}

void OH_AI_ContextDestroy(OH_AI_ContextHandle *context)
{
    if (context == nullptr || *context == nullptr) {
        return;
    }
    DeviceInfo *device = static_cast<Context *>(*context)->devices;
    while (device != nullptr) {
        DeviceInfo *next = device->next;
        free(device);
        device = next;
    }
    free(*context);
    *context = nullptr;
}

void OH_AI_ContextSetThreadNum(OH_AI_ContextHandle context, int32_t thread_num)
{
    if (context != nullptr) {
        static_cast<Context *>(context)->threads = thread_num;
    }
}

int32_t OH_AI_ContextGetThreadNum(const OH_AI_ContextHandle context)
{
    return context == nullptr ? 0 : static_cast<Context *>(context)->threads;
}

void OH_AI_ContextAddDeviceInfo(OH_AI_ContextHandle context, OH_AI_DeviceInfoHandle device_info)
{
    if (context != nullptr && device_info != nullptr) {
        auto *device = static_cast<DeviceInfo *>(device_info);
        device->next = static_cast<Context *>(context)->devices;
        static_cast<Context *>(context)->devices = device;
    }
}

OH_AI_DeviceInfoHandle OH_AI_DeviceInfoCreate(OH_AI_DeviceType device_type)
{
    auto *made = static_cast<DeviceInfo *>(calloc(1, sizeof(DeviceInfo)));
    if (made != nullptr) {
        made->type = device_type;
    }
    return made;
}

void OH_AI_DeviceInfoDestroy(OH_AI_DeviceInfoHandle *device_info)
{
    if (device_info != nullptr) {
        free(*device_info);
        *device_info = nullptr;
    }
}

OH_AI_DeviceType OH_AI_DeviceInfoGetDeviceType(const OH_AI_DeviceInfoHandle device_info)
{
    return device_info == nullptr ? OH_AI_DEVICETYPE_INVALID : static_cast<DeviceInfo *>(device_info)->type;
}
