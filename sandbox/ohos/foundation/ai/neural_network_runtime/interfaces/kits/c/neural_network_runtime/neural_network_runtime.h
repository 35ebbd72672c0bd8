/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the NNRt model API that the stand-in has.
 *
 * It does: hold quantization parameters; make and destroy a model that stays empty.
 * It does not: take tensors or operators, so OH_NNModel_Finish refuses (OH_NN_OPERATION_FORBIDDEN, as the real library does
 * for an empty model); the functions that would fill a model are not exported. */
#ifndef NEURAL_NETWORK_RUNTIME_H
#define NEURAL_NETWORK_RUNTIME_H

#include "neural_network_core.h"

#ifdef __cplusplus
extern "C" {
#endif

NNRT_API NN_QuantParam *OH_NNQuantParam_Create(void);
NNRT_API OH_NN_ReturnCode OH_NNQuantParam_SetScales(NN_QuantParam *quantParams, const double *scales, size_t quantCount);
NNRT_API OH_NN_ReturnCode OH_NNQuantParam_SetZeroPoints(NN_QuantParam *quantParams, const int32_t *zeroPoints, size_t quantCount);
NNRT_API OH_NN_ReturnCode OH_NNQuantParam_SetNumBits(NN_QuantParam *quantParams, const uint32_t *numBits, size_t quantCount);
NNRT_API OH_NN_ReturnCode OH_NNQuantParam_Destroy(NN_QuantParam **quantParams);

NNRT_API OH_NNModel *OH_NNModel_Construct(void);
NNRT_API OH_NN_ReturnCode OH_NNModel_Finish(OH_NNModel *model);
NNRT_API OH_NN_ReturnCode OH_NNModel_GetAvailableOperations(OH_NNModel *model, size_t deviceID, const bool **isSupported,
                                                            uint32_t *opCount);
NNRT_API void OH_NNModel_Destroy(OH_NNModel **model);

#ifdef __cplusplus
}
#endif
#endif
