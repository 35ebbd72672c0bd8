// SPDX-License-Identifier: Apache-2.0
// Quantization parameters: three copied arrays.
#include "neural_network_runtime/neural_network_runtime.h"

#include <stdlib.h>
#include <string.h>

struct NN_QuantParam {
    void *scales;
    void *zeroPoints;
    void *numBits;
};

namespace {
OH_NN_ReturnCode Copy(void **into, const void *from, size_t count, size_t each)
{
    if (from == nullptr || count == 0 || count > SIZE_MAX / each) {
        return OH_NN_INVALID_PARAMETER;
    }
    void *made = malloc(count * each);
    if (made == nullptr) {
        return OH_NN_MEMORY_ERROR;
    }
    memcpy(made, from, count * each);
    free(*into);
    *into = made;
    return OH_NN_SUCCESS;
}
}

NN_QuantParam *OH_NNQuantParam_Create(void)
{
    return static_cast<NN_QuantParam *>(calloc(1, sizeof(NN_QuantParam)));
}

OH_NN_ReturnCode OH_NNQuantParam_SetScales(NN_QuantParam *quantParams, const double *scales, size_t quantCount)
{
    return quantParams == nullptr ? OH_NN_INVALID_PARAMETER : Copy(&quantParams->scales, scales, quantCount, sizeof(double));
}

OH_NN_ReturnCode OH_NNQuantParam_SetZeroPoints(NN_QuantParam *quantParams, const int32_t *zeroPoints, size_t quantCount)
{
    return quantParams == nullptr ? OH_NN_INVALID_PARAMETER
                                  : Copy(&quantParams->zeroPoints, zeroPoints, quantCount, sizeof(int32_t));
}

OH_NN_ReturnCode OH_NNQuantParam_SetNumBits(NN_QuantParam *quantParams, const uint32_t *numBits, size_t quantCount)
{
    return quantParams == nullptr ? OH_NN_INVALID_PARAMETER : Copy(&quantParams->numBits, numBits, quantCount, sizeof(uint32_t));
}

OH_NN_ReturnCode OH_NNQuantParam_Destroy(NN_QuantParam **quantParams)
{
    if (quantParams == nullptr || *quantParams == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    free((*quantParams)->scales);
    free((*quantParams)->zeroPoints);
    free((*quantParams)->numBits);
    free(*quantParams);
    *quantParams = nullptr;
    return OH_NN_SUCCESS;
}
