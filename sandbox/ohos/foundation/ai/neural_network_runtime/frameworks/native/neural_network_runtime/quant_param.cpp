// SPDX-License-Identifier: Apache-2.0
// Quantization parameters: three copied arrays. That their lengths agree is checked where they are used.
#include "inner/handles.h"

#include <new>

namespace {

template <class T> OH_NN_ReturnCode Copy(NN_QuantParam *into, std::vector<T> nnrt::Quant::*field, const T *from, size_t count)
{
    if (into == nullptr || from == nullptr || count == 0 || count > SIZE_MAX / 2 / sizeof(T)) {
        return OH_NN_INVALID_PARAMETER;
    }
    (into->quant.*field).assign(from, from + count);
    return OH_NN_SUCCESS;
}

}

NN_QuantParam *OH_NNQuantParam_Create(void)
{
    NNRT_CALL(nullptr);
    return new (std::nothrow) NN_QuantParam;
}

OH_NN_ReturnCode OH_NNQuantParam_SetScales(NN_QuantParam *quantParams, const double *scales, size_t quantCount)
{
    NNRT_CALL_CODE();
    return Copy(quantParams, &nnrt::Quant::scales, scales, quantCount);
}

OH_NN_ReturnCode OH_NNQuantParam_SetZeroPoints(NN_QuantParam *quantParams, const int32_t *zeroPoints, size_t quantCount)
{
    NNRT_CALL_CODE();
    return Copy(quantParams, &nnrt::Quant::zeroPoints, zeroPoints, quantCount);
}

OH_NN_ReturnCode OH_NNQuantParam_SetNumBits(NN_QuantParam *quantParams, const uint32_t *numBits, size_t quantCount)
{
    NNRT_CALL_CODE();
    return Copy(quantParams, &nnrt::Quant::numBits, numBits, quantCount);
}

OH_NN_ReturnCode OH_NNQuantParam_Destroy(NN_QuantParam **quantParams)
{
    if (quantParams == nullptr || *quantParams == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    delete *quantParams;
    *quantParams = nullptr;
    NNRT_CALL_CODE();
    return OH_NN_SUCCESS;
}
