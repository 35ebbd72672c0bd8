// SPDX-License-Identifier: Apache-2.0
// NNRt's devices as MindSpore Lite lists them: asked of NNRt, so an NNRt with devices would need more here.
#include "context_c.h"

#include "neural_network_runtime/neural_network_core.h"

NNRTDeviceDesc *OH_AI_GetAllNNRTDeviceDescs(size_t *num)
{
    const size_t *ids = nullptr;
    uint32_t count = 0;
    if (num != nullptr && OH_NNDevice_GetAllDevicesID(&ids, &count) == OH_NN_SUCCESS) {
        *num = 0;    // this NNRt has none, and this library would not know how to describe one
    }
    return nullptr;
}

void OH_AI_DestroyAllNNRTDeviceDescs(NNRTDeviceDesc **desc)
{
    if (desc != nullptr) {
        *desc = nullptr;
    }
}
