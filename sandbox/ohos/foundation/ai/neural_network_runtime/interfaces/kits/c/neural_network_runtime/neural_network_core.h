/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the NNRt core API that the stand-in has.
 *
 * It does: list devices (there are none), and make, set up and destroy compilations.
 * It does not: build a compilation (no device: OH_NN_FAILED, as the real library says then), nor tensors, descriptions and
 * executors, whose functions it does not export. */
#ifndef NEURAL_NETWORK_CORE_H
#define NEURAL_NETWORK_CORE_H

#include "neural_network_runtime_type.h"

#ifdef __cplusplus
extern "C" {
#endif

NNRT_API OH_NN_ReturnCode OH_NNDevice_GetAllDevicesID(const size_t **allDevicesID, uint32_t *deviceCount);
NNRT_API OH_NN_ReturnCode OH_NNDevice_GetName(size_t deviceID, const char **name);
NNRT_API OH_NN_ReturnCode OH_NNDevice_GetType(size_t deviceID, OH_NN_DeviceType *deviceType);

NNRT_API OH_NNCompilation *OH_NNCompilation_Construct(const OH_NNModel *model);
NNRT_API OH_NN_ReturnCode OH_NNCompilation_SetDevice(OH_NNCompilation *compilation, size_t deviceID);
NNRT_API OH_NN_ReturnCode OH_NNCompilation_Build(OH_NNCompilation *compilation);
NNRT_API void OH_NNCompilation_Destroy(OH_NNCompilation **compilation);

#ifdef __cplusplus
}
#endif
#endif
