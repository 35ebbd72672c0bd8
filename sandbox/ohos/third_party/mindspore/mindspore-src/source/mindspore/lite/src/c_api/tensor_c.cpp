// SPDX-License-Identifier: Apache-2.0
// Tensors. A handle that is null gives nothing and does nothing, as in the real library.
#include "graph.h"

#include <stdlib.h>
#include <string.h>

namespace {
Tensor *Of(OH_AI_TensorHandle handle)
{
    return static_cast<Tensor *>(handle);
}

void Forget(Tensor *tensor)
{
    if (tensor->owned) {
        free(tensor->data);
    }
    tensor->data = nullptr;
    tensor->owned = false;
}
}

size_t TypeSize(OH_AI_DataType type)
{
    switch (type) {
        case OH_AI_DATATYPE_NUMBERTYPE_BOOL:
        case OH_AI_DATATYPE_NUMBERTYPE_INT8:
        case OH_AI_DATATYPE_NUMBERTYPE_UINT8:
            return 1;
        case OH_AI_DATATYPE_NUMBERTYPE_INT16:
        case OH_AI_DATATYPE_NUMBERTYPE_UINT16:
        case OH_AI_DATATYPE_NUMBERTYPE_FLOAT16:
            return 2;
        case OH_AI_DATATYPE_NUMBERTYPE_INT32:
        case OH_AI_DATATYPE_NUMBERTYPE_UINT32:
        case OH_AI_DATATYPE_NUMBERTYPE_FLOAT32:
            return 4;
        case OH_AI_DATATYPE_NUMBERTYPE_INT64:
        case OH_AI_DATATYPE_NUMBERTYPE_UINT64:
        case OH_AI_DATATYPE_NUMBERTYPE_FLOAT64:
            return 8;
        default:
            return 0;
    }
}

bool Elements(const Tensor &tensor, uint64_t *count)
{
    *count = 1;
    for (size_t i = 0; i < tensor.rank; i++) {
        const int64_t size = tensor.shape[i];
        if (size < 0 || (size != 0 && *count > MOST_BYTES / static_cast<uint64_t>(size))) {
            return false;
        }
        *count *= static_cast<uint64_t>(size);
    }
    return true;
}

bool Bytes(const Tensor &tensor, uint64_t *bytes)
{
    uint64_t count = 0;
    const size_t width = TypeSize(tensor.type);
    if (width == 0 || !Elements(tensor, &count) || count > MOST_BYTES / width) {
        *bytes = 0;
        return false;
    }
    *bytes = count * width;
    return true;
}

bool Allocate(Tensor *tensor)
{
    uint64_t bytes = 0;
    if (!Bytes(*tensor, &bytes)) {
        return false;
    }
    Forget(tensor);
    tensor->data = calloc(bytes != 0 ? bytes : 1, 1);
    tensor->owned = tensor->data != nullptr;
    return tensor->owned;
}

void Release(Tensor *tensor)
{
    Forget(tensor);
    free(tensor->name);
    tensor->name = nullptr;
}

OH_AI_TensorHandle OH_AI_TensorCreate(const char *name, OH_AI_DataType type, const int64_t *shape, size_t shape_num,
    const void *data, size_t data_len)
{
    if (name == nullptr || shape == nullptr || shape_num > MOST_DIMS) {
        return nullptr;
    }
    Tensor *made = static_cast<Tensor *>(calloc(1, sizeof(Tensor)));
    if (made == nullptr) {
        return nullptr;
    }
    made->name = strdup(name);
    made->type = type;
    made->format = OH_AI_FORMAT_NCHW;
    OH_AI_TensorSetShape(made, shape, shape_num);
    uint64_t bytes = 0;
    const bool known = Bytes(*made, &bytes);
    if (made->name == nullptr || (data != nullptr && (!known || bytes != data_len || !Allocate(made)))) {
        Release(made);
        free(made);
        return nullptr;
    }
    if (data != nullptr) {
        memcpy(made->data, data, data_len);
    }
    return made;
}

void OH_AI_TensorDestroy(OH_AI_TensorHandle *tensor)
{
    if (tensor != nullptr && *tensor != nullptr) {
        Release(Of(*tensor));
        free(*tensor);
        *tensor = nullptr;
    }
}

OH_AI_TensorHandle OH_AI_TensorClone(OH_AI_TensorHandle tensor)
{
    const Tensor *from = Of(tensor);
    uint64_t bytes = 0;
    if (from == nullptr || !Bytes(*from, &bytes)) {
        return nullptr;
    }
    return OH_AI_TensorCreate(from->name, from->type, from->shape, from->rank, from->data, bytes);
}

void OH_AI_TensorSetName(OH_AI_TensorHandle tensor, const char *name)
{
    char *copy = tensor != nullptr && name != nullptr ? strdup(name) : nullptr;
    if (copy != nullptr) {
        free(Of(tensor)->name);
        Of(tensor)->name = copy;
    }
}

const char *OH_AI_TensorGetName(const OH_AI_TensorHandle tensor)
{
    return tensor == nullptr ? nullptr : Of(tensor)->name;
}

void OH_AI_TensorSetDataType(OH_AI_TensorHandle tensor, OH_AI_DataType type)
{
    if (tensor != nullptr) {
        Of(tensor)->type = type;
        Forget(Of(tensor));
    }
}

OH_AI_DataType OH_AI_TensorGetDataType(const OH_AI_TensorHandle tensor)
{
    return tensor == nullptr ? OH_AI_DATATYPE_UNKNOWN : Of(tensor)->type;
}

void OH_AI_TensorSetShape(OH_AI_TensorHandle tensor, const int64_t *shape, size_t shape_num)
{
    if (tensor != nullptr && shape != nullptr && shape_num <= MOST_DIMS) {
        Of(tensor)->rank = shape_num;
        memcpy(Of(tensor)->shape, shape, shape_num * sizeof(shape[0]));
        Forget(Of(tensor));
    }
}

const int64_t *OH_AI_TensorGetShape(const OH_AI_TensorHandle tensor, size_t *shape_num)
{
    if (tensor == nullptr || shape_num == nullptr) {
        return nullptr;
    }
    *shape_num = Of(tensor)->rank;
    return Of(tensor)->shape;
}

void OH_AI_TensorSetFormat(OH_AI_TensorHandle tensor, OH_AI_Format format)
{
    if (tensor != nullptr) {
        Of(tensor)->format = format;
    }
}

OH_AI_Format OH_AI_TensorGetFormat(const OH_AI_TensorHandle tensor)
{
    return tensor == nullptr ? OH_AI_FORMAT_NHWC : Of(tensor)->format;
}

void OH_AI_TensorSetData(OH_AI_TensorHandle tensor, void *data)
{
    if (tensor != nullptr) {
        Forget(Of(tensor));
        Of(tensor)->data = data;
    }
}

OH_AI_Status OH_AI_TensorSetUserData(OH_AI_TensorHandle tensor, void *data, size_t data_size)
{
    uint64_t bytes = 0;
    if (tensor == nullptr || data == nullptr) {
        return OH_AI_STATUS_LITE_NULLPTR;
    }
    if (!Bytes(*Of(tensor), &bytes) || data_size < bytes) {
        return OH_AI_STATUS_LITE_PARAM_INVALID;
    }
    OH_AI_TensorSetData(tensor, data);
    return OH_AI_STATUS_SUCCESS;
}

const void *OH_AI_TensorGetData(const OH_AI_TensorHandle tensor)
{
    return tensor == nullptr ? nullptr : Of(tensor)->data;
}

void *OH_AI_TensorGetMutableData(const OH_AI_TensorHandle tensor)
{
    if (tensor == nullptr || (Of(tensor)->data == nullptr && !Allocate(Of(tensor)))) {
        return nullptr;
    }
    return Of(tensor)->data;
}

int64_t OH_AI_TensorGetElementNum(const OH_AI_TensorHandle tensor)
{
    uint64_t count = 0;
    return tensor != nullptr && Elements(*Of(tensor), &count) ? static_cast<int64_t>(count) : 0;
}

size_t OH_AI_TensorGetDataSize(const OH_AI_TensorHandle tensor)
{
    uint64_t bytes = 0;
    return tensor != nullptr && Bytes(*Of(tensor), &bytes) ? bytes : 0;
}

OH_AI_AllocatorHandle OH_AI_TensorGetAllocator(OH_AI_TensorHandle tensor)
{
    return tensor == nullptr ? nullptr : Of(tensor)->allocator;
}

OH_AI_Status OH_AI_TensorSetAllocator(OH_AI_TensorHandle tensor, OH_AI_AllocatorHandle allocator)
{
    if (tensor == nullptr || allocator == nullptr) {
        return OH_AI_STATUS_LITE_NULLPTR;
    }
    Of(tensor)->allocator = allocator;    // kept and given back; memory is always malloc's
    return OH_AI_STATUS_SUCCESS;
}
