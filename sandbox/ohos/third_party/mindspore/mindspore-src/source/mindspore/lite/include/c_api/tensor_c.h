/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors: name, type, shape and data.
 * Written for Kiln from names, signatures and numbers alone (tests/data/mindspore-lite-c-api.json); the SDK's mindspore/tensor.h. */
#ifndef MINDSPORE_TENSOR_C_H
#define MINDSPORE_TENSOR_C_H

#include "data_type_c.h"
#include "format_c.h"
#include "status_c.h"
#include "types_c.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void *OH_AI_TensorHandle;
typedef void *OH_AI_AllocatorHandle;

OH_AI_API OH_AI_TensorHandle OH_AI_TensorCreate(const char *name, OH_AI_DataType type, const int64_t *shape,
    size_t shape_num, const void *data, size_t data_len);
OH_AI_API void OH_AI_TensorDestroy(OH_AI_TensorHandle *tensor);
OH_AI_API OH_AI_TensorHandle OH_AI_TensorClone(OH_AI_TensorHandle tensor);
OH_AI_API void OH_AI_TensorSetName(OH_AI_TensorHandle tensor, const char *name);
OH_AI_API const char *OH_AI_TensorGetName(const OH_AI_TensorHandle tensor);
OH_AI_API void OH_AI_TensorSetDataType(OH_AI_TensorHandle tensor, OH_AI_DataType type);
OH_AI_API OH_AI_DataType OH_AI_TensorGetDataType(const OH_AI_TensorHandle tensor);
OH_AI_API void OH_AI_TensorSetShape(OH_AI_TensorHandle tensor, const int64_t *shape, size_t shape_num);
OH_AI_API const int64_t *OH_AI_TensorGetShape(const OH_AI_TensorHandle tensor, size_t *shape_num);
OH_AI_API void OH_AI_TensorSetFormat(OH_AI_TensorHandle tensor, OH_AI_Format format);
OH_AI_API OH_AI_Format OH_AI_TensorGetFormat(const OH_AI_TensorHandle tensor);
OH_AI_API void OH_AI_TensorSetData(OH_AI_TensorHandle tensor, void *data);
OH_AI_API const void *OH_AI_TensorGetData(const OH_AI_TensorHandle tensor);
OH_AI_API void *OH_AI_TensorGetMutableData(const OH_AI_TensorHandle tensor);
OH_AI_API int64_t OH_AI_TensorGetElementNum(const OH_AI_TensorHandle tensor);
OH_AI_API size_t OH_AI_TensorGetDataSize(const OH_AI_TensorHandle tensor);
OH_AI_API OH_AI_Status OH_AI_TensorSetUserData(OH_AI_TensorHandle tensor, void *data, size_t data_size);
OH_AI_API OH_AI_AllocatorHandle OH_AI_TensorGetAllocator(OH_AI_TensorHandle tensor);
OH_AI_API OH_AI_Status OH_AI_TensorSetAllocator(OH_AI_TensorHandle tensor, OH_AI_AllocatorHandle allocator);

#ifdef __cplusplus
}
#endif
#endif
