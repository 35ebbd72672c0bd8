/* SPDX-License-Identifier: Apache-2.0 */
/* The types of the MindSpore Lite C API that the stand-in's functions take; names and numbers are those of the real headers. */
#ifndef MINDSPORE_TYPES_C_H
#define MINDSPORE_TYPES_C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OH_AI_API __attribute__((visibility("default")))

typedef void *OH_AI_ContextHandle;
typedef void *OH_AI_DeviceInfoHandle;
typedef void *OH_AI_ModelHandle;
typedef struct NNRTDeviceDesc NNRTDeviceDesc;

typedef enum { OH_AI_MODELTYPE_MINDIR = 0, OH_AI_MODELTYPE_INVALID = 0xFFFFFFFF } OH_AI_ModelType;

typedef enum {
    OH_AI_DEVICETYPE_CPU = 0,
    OH_AI_DEVICETYPE_GPU = 1,
    OH_AI_DEVICETYPE_KIRIN_NPU = 2,
    OH_AI_DEVICETYPE_NNRT = 60,
    OH_AI_DEVICETYPE_INVALID = 100
} OH_AI_DeviceType;

enum { OH_AI_LITE_ = (int32_t)0xF0000000 };

typedef enum {
    OH_AI_STATUS_SUCCESS = 0,
    OH_AI_STATUS_LITE_ERROR = OH_AI_LITE_ | (0x0FFFFFFF & -1),
    OH_AI_STATUS_LITE_NULLPTR = OH_AI_LITE_ | (0x0FFFFFFF & -2),
    OH_AI_STATUS_LITE_PARAM_INVALID = OH_AI_LITE_ | (0x0FFFFFFF & -3),
    OH_AI_STATUS_LITE_NOT_SUPPORT = OH_AI_LITE_ | (0x0FFFFFFF & -7)
} OH_AI_Status;

#endif
