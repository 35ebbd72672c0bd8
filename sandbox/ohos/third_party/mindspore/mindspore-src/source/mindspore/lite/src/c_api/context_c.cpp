// SPDX-License-Identifier: Apache-2.0
// Contexts: threads and the devices that were added. The context owns what was added, as in the real library. Everything that is set
// is kept and given back; only the kind of device changes what a model does.
#include "context_c.h"

#include <stdlib.h>
#include <string.h>

namespace {
constexpr int32_t DEFAULT_THREADS = 2, DEFAULT_FREQUENCY = 3;

struct DeviceInfo {
    OH_AI_DeviceType type;
    char *provider, *provider_device;
    bool fp16;
    int frequency;
    size_t device_id;
    OH_AI_PerformanceMode mode;
    OH_AI_Priority priority;
    DeviceInfo *next;
};

struct Context {
    int32_t threads;
    int affinity;
    int32_t *cores;
    size_t core_count;
    bool parallel;
    DeviceInfo *devices;
};

Context *Of(OH_AI_ContextHandle handle)
{
    return static_cast<Context *>(handle);
}

DeviceInfo *Device(OH_AI_DeviceInfoHandle handle)
{
    return static_cast<DeviceInfo *>(handle);
}

void Put(char **text, const char *given)
{
    char *copy = given != nullptr ? strdup(given) : nullptr;
    free(*text);
    *text = copy;
}

void Destroy(DeviceInfo *device)
{
    free(device->provider);
    free(device->provider_device);
    free(device);
}
}

// Whether a model may run on the processor, which is all that the stand-in computes on.
bool HasProcessor(const OH_AI_ContextHandle context)
{
    for (const DeviceInfo *device = Of(context)->devices; device != nullptr; device = device->next) {
        if (device->type == OH_AI_DEVICETYPE_CPU) {
            return true;
        }
    }
    return false;
}

OH_AI_ContextHandle OH_AI_ContextCreate(void)
{
    Context *made = static_cast<Context *>(calloc(1, sizeof(Context)));
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
    for (DeviceInfo *device = Of(*context)->devices; device != nullptr;) {
        DeviceInfo *next = device->next;
        Destroy(device);
        device = next;
    }
    free(Of(*context)->cores);
    free(*context);
    *context = nullptr;
}

void OH_AI_ContextSetThreadNum(OH_AI_ContextHandle context, int32_t thread_num)
{
    if (context != nullptr) {
        Of(context)->threads = thread_num;
    }
}

int32_t OH_AI_ContextGetThreadNum(const OH_AI_ContextHandle context)
{
    return context == nullptr ? 0 : Of(context)->threads;
}

void OH_AI_ContextSetThreadAffinityMode(OH_AI_ContextHandle context, int mode)
{
    if (context != nullptr) {
        Of(context)->affinity = mode;
    }
}

int OH_AI_ContextGetThreadAffinityMode(const OH_AI_ContextHandle context)
{
    return context == nullptr ? -1 : Of(context)->affinity;
}

void OH_AI_ContextSetThreadAffinityCoreList(OH_AI_ContextHandle context, const int32_t *core_list, size_t core_num)
{
    int32_t *copy = context != nullptr && core_list != nullptr ? static_cast<int32_t *>(calloc(core_num + 1, sizeof(int32_t))) : nullptr;
    if (copy != nullptr) {
        memcpy(copy, core_list, core_num * sizeof(int32_t));
        free(Of(context)->cores);
        Of(context)->cores = copy;
        Of(context)->core_count = core_num;
    }
}

const int32_t *OH_AI_ContextGetThreadAffinityCoreList(const OH_AI_ContextHandle context, size_t *core_num)
{
    if (context == nullptr || core_num == nullptr) {
        return nullptr;
    }
    *core_num = Of(context)->core_count;
    return Of(context)->cores;
}

void OH_AI_ContextSetEnableParallel(OH_AI_ContextHandle context, bool is_parallel)
{
    if (context != nullptr) {
        Of(context)->parallel = is_parallel;
    }
}

bool OH_AI_ContextGetEnableParallel(const OH_AI_ContextHandle context)
{
    return context != nullptr && Of(context)->parallel;
}

void OH_AI_ContextAddDeviceInfo(OH_AI_ContextHandle context, OH_AI_DeviceInfoHandle device_info)
{
    if (context != nullptr && device_info != nullptr) {
        Device(device_info)->next = Of(context)->devices;
        Of(context)->devices = Device(device_info);
    }
}

OH_AI_DeviceInfoHandle OH_AI_DeviceInfoCreate(OH_AI_DeviceType device_type)
{
    DeviceInfo *made = static_cast<DeviceInfo *>(calloc(1, sizeof(DeviceInfo)));
    if (made != nullptr) {
        made->type = device_type;
        made->frequency = DEFAULT_FREQUENCY;
    }
    return made;
}

void OH_AI_DeviceInfoDestroy(OH_AI_DeviceInfoHandle *device_info)
{
    if (device_info != nullptr && *device_info != nullptr) {
        Destroy(Device(*device_info));
        *device_info = nullptr;
    }
}

void OH_AI_DeviceInfoSetProvider(OH_AI_DeviceInfoHandle device_info, const char *provider)
{
    if (device_info != nullptr) {
        Put(&Device(device_info)->provider, provider);
    }
}

const char *OH_AI_DeviceInfoGetProvider(const OH_AI_DeviceInfoHandle device_info)
{
    return device_info == nullptr ? nullptr : Device(device_info)->provider;
}

void OH_AI_DeviceInfoSetProviderDevice(OH_AI_DeviceInfoHandle device_info, const char *device)
{
    if (device_info != nullptr) {
        Put(&Device(device_info)->provider_device, device);
    }
}

const char *OH_AI_DeviceInfoGetProviderDevice(const OH_AI_DeviceInfoHandle device_info)
{
    return device_info == nullptr ? nullptr : Device(device_info)->provider_device;
}

OH_AI_DeviceType OH_AI_DeviceInfoGetDeviceType(const OH_AI_DeviceInfoHandle device_info)
{
    return device_info == nullptr ? OH_AI_DEVICETYPE_INVALID : Device(device_info)->type;
}

void OH_AI_DeviceInfoSetEnableFP16(OH_AI_DeviceInfoHandle device_info, bool is_fp16)
{
    if (device_info != nullptr) {
        Device(device_info)->fp16 = is_fp16;
    }
}

bool OH_AI_DeviceInfoGetEnableFP16(const OH_AI_DeviceInfoHandle device_info)
{
    return device_info != nullptr && Device(device_info)->fp16;
}

void OH_AI_DeviceInfoSetFrequency(OH_AI_DeviceInfoHandle device_info, int frequency)
{
    if (device_info != nullptr) {
        Device(device_info)->frequency = frequency;
    }
}

int OH_AI_DeviceInfoGetFrequency(const OH_AI_DeviceInfoHandle device_info)
{
    return device_info == nullptr ? -1 : Device(device_info)->frequency;
}

void OH_AI_DeviceInfoSetDeviceId(OH_AI_DeviceInfoHandle device_info, size_t device_id)
{
    if (device_info != nullptr) {
        Device(device_info)->device_id = device_id;
    }
}

size_t OH_AI_DeviceInfoGetDeviceId(const OH_AI_DeviceInfoHandle device_info)
{
    return device_info == nullptr ? 0 : Device(device_info)->device_id;
}

void OH_AI_DeviceInfoSetPerformanceMode(OH_AI_DeviceInfoHandle device_info, OH_AI_PerformanceMode mode)
{
    if (device_info != nullptr) {
        Device(device_info)->mode = mode;
    }
}

OH_AI_PerformanceMode OH_AI_DeviceInfoGetPerformanceMode(const OH_AI_DeviceInfoHandle device_info)
{
    return device_info == nullptr ? OH_AI_PERFORMANCE_NONE : Device(device_info)->mode;
}

void OH_AI_DeviceInfoSetPriority(OH_AI_DeviceInfoHandle device_info, OH_AI_Priority priority)
{
    if (device_info != nullptr) {
        Device(device_info)->priority = priority;
    }
}

OH_AI_Priority OH_AI_DeviceInfoGetPriority(const OH_AI_DeviceInfoHandle device_info)
{
    return device_info == nullptr ? OH_AI_PRIORITY_NONE : Device(device_info)->priority;
}

OH_AI_Status OH_AI_DeviceInfoAddExtension(OH_AI_DeviceInfoHandle device_info, const char *name, const char *value, size_t)
{
    return device_info == nullptr || name == nullptr || value == nullptr ? OH_AI_STATUS_LITE_NULLPTR : OH_AI_STATUS_LITE_NOT_SUPPORT;
}
