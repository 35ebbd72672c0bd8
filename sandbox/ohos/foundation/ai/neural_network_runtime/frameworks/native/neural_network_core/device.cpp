// SPDX-License-Identifier: Apache-2.0
// Devices: there are none. The codes are those of the real library on a board without a driver.
#include "neural_network_runtime/neural_network_core.h"

OH_NN_ReturnCode OH_NNDevice_GetAllDevicesID(const size_t **allDevicesID, uint32_t *deviceCount)
{
    if (allDevicesID == nullptr || *allDevicesID != nullptr || deviceCount == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    *deviceCount = 0;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNDevice_GetName(size_t, const char **name)
{
    return name == nullptr || *name != nullptr ? OH_NN_INVALID_PARAMETER : OH_NN_FAILED;
}

OH_NN_ReturnCode OH_NNDevice_GetType(size_t, OH_NN_DeviceType *)
{
    return OH_NN_INVALID_PARAMETER;
}
