// SPDX-License-Identifier: Apache-2.0
// Descriptions of tensors: four fields with getters and setters, and the sizes that follow from them.
#include "inner/handles.h"
#include "inner/sizes.h"

#include <new>

NN_TensorDesc *OH_NNTensorDesc_Create(void)
{
    NNRT_CALL(nullptr);
    return new (std::nothrow) NN_TensorDesc;
}

OH_NN_ReturnCode OH_NNTensorDesc_Destroy(NN_TensorDesc **tensorDesc)
{
    if (tensorDesc == nullptr || *tensorDesc == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    delete *tensorDesc;                  // a failure that is asked for may not leave it behind
    *tensorDesc = nullptr;
    NNRT_CALL_CODE();
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNTensorDesc_SetDataType(NN_TensorDesc *tensorDesc, OH_NN_DataType dataType)
{
    NNRT_CALL_CODE();
    if (tensorDesc == nullptr || !nnrt::Known(dataType)) {
        return OH_NN_INVALID_PARAMETER;
    }
    tensorDesc->type = dataType;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNTensorDesc_GetDataType(const NN_TensorDesc *tensorDesc, OH_NN_DataType *dataType)
{
    NNRT_CALL_CODE();
    if (tensorDesc == nullptr || dataType == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    *dataType = tensorDesc->type;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNTensorDesc_SetShape(NN_TensorDesc *tensorDesc, const int32_t *shape, size_t shapeLength)
{
    NNRT_CALL_CODE();
    if (tensorDesc == nullptr || shape == nullptr || shapeLength == 0 || shapeLength > nnrt::MOST_DIMS) {
        return OH_NN_INVALID_PARAMETER;
    }
    tensorDesc->dims.assign(shape, shape + shapeLength);
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNTensorDesc_GetShape(const NN_TensorDesc *tensorDesc, int32_t **shape, size_t *shapeLength)
{
    NNRT_CALL_CODE();
    if (tensorDesc == nullptr || shape == nullptr || *shape != nullptr || shapeLength == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    *shape = const_cast<int32_t *>(tensorDesc->dims.data());
    *shapeLength = tensorDesc->dims.size();
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNTensorDesc_SetFormat(NN_TensorDesc *tensorDesc, OH_NN_Format format)
{
    NNRT_CALL_CODE();
    if (tensorDesc == nullptr || !nnrt::Known(format)) {
        return OH_NN_INVALID_PARAMETER;
    }
    tensorDesc->format = format;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNTensorDesc_GetFormat(const NN_TensorDesc *tensorDesc, OH_NN_Format *format)
{
    NNRT_CALL_CODE();
    if (tensorDesc == nullptr || format == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    *format = tensorDesc->format;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNTensorDesc_SetName(NN_TensorDesc *tensorDesc, const char *name)
{
    NNRT_CALL_CODE();
    if (tensorDesc == nullptr || name == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    tensorDesc->name = name;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNTensorDesc_GetName(const NN_TensorDesc *tensorDesc, const char **name)
{
    NNRT_CALL_CODE();
    if (tensorDesc == nullptr || name == nullptr || *name != nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    *name = tensorDesc->name.c_str();
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNTensorDesc_GetElementCount(const NN_TensorDesc *tensorDesc, size_t *elementCount)
{
    NNRT_CALL_CODE();
    if (tensorDesc == nullptr || elementCount == nullptr || tensorDesc->dims.empty()) {
        return OH_NN_INVALID_PARAMETER;
    }
    uint64_t count = 0;
    const nnrt::Count how = nnrt::Elements(tensorDesc->dims, count);
    if (how == nnrt::Count::OVERFLOWED || count > SIZE_MAX) {
        return OH_NN_INVALID_PARAMETER;
    }
    *elementCount = static_cast<size_t>(count);
    return how == nnrt::Count::OPEN ? OH_NN_DYNAMIC_SHAPE : OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNTensorDesc_GetByteSize(const NN_TensorDesc *tensorDesc, size_t *byteSize)
{
    NNRT_CALL_CODE();
    if (tensorDesc == nullptr || byteSize == nullptr || tensorDesc->dims.empty() || nnrt::SizeOf(tensorDesc->type) == 0) {
        return OH_NN_INVALID_PARAMETER;
    }
    uint64_t count = 0, bytes = 0;
    const nnrt::Count how = nnrt::Elements(tensorDesc->dims, count);
    if (how == nnrt::Count::OVERFLOWED || __builtin_mul_overflow(count, nnrt::SizeOf(tensorDesc->type), &bytes) || bytes > SIZE_MAX) {
        return OH_NN_INVALID_PARAMETER;
    }
    *byteSize = static_cast<size_t>(bytes);
    // The header calls an open shape an error; the real library gives 0 bytes and no error.
    return how == nnrt::Count::OPEN && nnrt::TheSettings().strict ? OH_NN_DYNAMIC_SHAPE : OH_NN_SUCCESS;
}
