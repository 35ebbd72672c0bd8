// SPDX-License-Identifier: Apache-2.0
// The devices that were registered, and the three functions that tell about them.
#include "inner/device.h"

#include <mutex>

namespace nnrt {
namespace {

struct Registry {
    std::mutex lock;
    std::vector<Device *> devices;
    std::vector<size_t> ids;         // what GetAllDevicesID gave last
};

Registry &TheRegistry()
{
    static Registry *registry = new Registry;     // devices may be asked after the destructors of statics
    return *registry;
}

size_t Hash(const char *name)
{
    uint64_t hash = 14695981039346656037u;
    for (; *name != '\0'; name++) {
        hash = (hash ^ static_cast<uint8_t>(*name)) * 1099511628211u;
    }
    return static_cast<size_t>(hash);
}

}

void Register(Device *device)
{
    Registry &registry = TheRegistry();
    std::lock_guard<std::mutex> held(registry.lock);
    device->id = Hash(device->Name());
    registry.devices.push_back(device);
}

Device *FindDevice(size_t id)
{
    Registry &registry = TheRegistry();
    std::lock_guard<std::mutex> held(registry.lock);
    if (id == 0 && !registry.devices.empty()) {
        // The real library takes the first of an unordered map, which need not be the first of the list.
        return TheSettings().strict ? registry.devices.back() : registry.devices.front();
    }
    for (Device *device : registry.devices) {
        if (device->id == id) {
            return device;
        }
    }
    return nullptr;
}

}

OH_NN_ReturnCode OH_NNDevice_GetAllDevicesID(const size_t **allDevicesID, uint32_t *deviceCount)
{
    NNRT_CALL_CODE();
    if (allDevicesID == nullptr || *allDevicesID != nullptr || deviceCount == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    nnrt::Registry &registry = nnrt::TheRegistry();
    std::lock_guard<std::mutex> held(registry.lock);
    registry.ids.clear();
    for (nnrt::Device *device : registry.devices) {
        registry.ids.push_back(device->id);
    }
    *allDevicesID = registry.ids.empty() ? nullptr : registry.ids.data();
    *deviceCount = static_cast<uint32_t>(registry.ids.size());
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNDevice_GetName(size_t deviceID, const char **name)
{
    NNRT_CALL_CODE();
    if (name == nullptr || *name != nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    const nnrt::Device *device = nnrt::FindDevice(deviceID);
    if (device == nullptr) {
        return OH_NN_FAILED;
    }
    *name = device->Name();
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNDevice_GetType(size_t deviceID, OH_NN_DeviceType *deviceType)
{
    NNRT_CALL_CODE();
    const nnrt::Device *device = nnrt::FindDevice(deviceID);
    if (device == nullptr || deviceType == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    *deviceType = device->Type();
    return OH_NN_SUCCESS;
}
