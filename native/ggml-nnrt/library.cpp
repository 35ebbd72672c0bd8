// SPDX-License-Identifier: Apache-2.0
#include "library.h"

#include "ggml-impl.h"

namespace ggml_nnrt {

static ::nnrt loaded;

const ::nnrt & nn() { return loaded; }

bool has_tensors() { return loaded.level >= 11; }

std::recursive_mutex & nnrt_lock() {
    static std::recursive_mutex lock;
    return lock;
}

bool open_library() {
    static const bool opened = [] {
        const bool found = nnrt_open(&loaded);
        if (!found) {
            GGML_LOG_INFO("nnrt: %s; the CPU computes everything\n", loaded.why);
        }
        return found;
    }();
    return opened;
}

static int rank(OH_NN_DeviceType type) {
    return type == OH_NN_ACCELERATOR ? 3 : type == OH_NN_GPU ? 2 : type == OH_NN_OTHERS ? 1 : 0;
}

bool find_device(const std::string & wanted, device & found) {
    std::lock_guard<std::recursive_mutex> guard(nnrt_lock());
    const size_t * ids   = nullptr;
    uint32_t       count = 0;
    if (nn().OH_NNDevice_GetAllDevicesID(&ids, &count) != OH_NN_SUCCESS || !ids) {
        return false;
    }
    bool any = false;
    for (uint32_t i = 0; i < count; i++) {
        const char * name = nullptr;
        device       one;
        one.id = ids[i];
        if (nn().OH_NNDevice_GetName(one.id, &name) != OH_NN_SUCCESS || !name || nn().OH_NNDevice_GetType(one.id, &one.type) != OH_NN_SUCCESS) {
            continue;
        }
        one.name = name;
        const bool fits = wanted.empty() ? one.type != OH_NN_CPU : one.name.find(wanted) != std::string::npos;
        if (fits && (!any || rank(one.type) > rank(found.type))) {
            found = one;
            any   = true;
        }
    }
    return any;
}

}  // namespace ggml_nnrt
