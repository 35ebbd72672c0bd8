/* SPDX-License-Identifier: Apache-2.0 */
/* Types that contexts and models share.
 * Written for Kiln from names, signatures and numbers alone (tests/data/mindspore-lite-c-api.json); the SDK's mindspore/types.h. */
#ifndef MINDSPORE_TYPES_C_H
#define MINDSPORE_TYPES_C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OH_AI_API __attribute__((visibility("default")))

typedef enum OH_AI_ModelType {
    OH_AI_MODELTYPE_MINDIR = 0,
    OH_AI_MODELTYPE_INVALID = 0xFFFFFFFF
} OH_AI_ModelType;

typedef enum OH_AI_DeviceType {
    OH_AI_DEVICETYPE_CPU = 0,
    OH_AI_DEVICETYPE_GPU = 1,
    OH_AI_DEVICETYPE_KIRIN_NPU = 2,
    OH_AI_DEVICETYPE_NNRT = 60,
    OH_AI_DEVICETYPE_INVALID = 100
} OH_AI_DeviceType;

typedef enum OH_AI_NNRTDeviceType {
    OH_AI_NNRTDEVICE_OTHERS = 0,
    OH_AI_NNRTDEVICE_CPU = 1,
    OH_AI_NNRTDEVICE_GPU = 2,
    OH_AI_NNRTDEVICE_ACCELERATOR = 3
} OH_AI_NNRTDeviceType;

typedef enum OH_AI_PerformanceMode {
    OH_AI_PERFORMANCE_NONE = 0,
    OH_AI_PERFORMANCE_LOW = 1,
    OH_AI_PERFORMANCE_MEDIUM = 2,
    OH_AI_PERFORMANCE_HIGH = 3,
    OH_AI_PERFORMANCE_EXTREME = 4
} OH_AI_PerformanceMode;

typedef enum OH_AI_Priority {
    OH_AI_PRIORITY_NONE = 0,
    OH_AI_PRIORITY_LOW = 1,
    OH_AI_PRIORITY_MEDIUM = 2,
    OH_AI_PRIORITY_HIGH = 3
} OH_AI_Priority;

typedef enum OH_AI_OptimizationLevel {
    OH_AI_KO0 = 0,
    OH_AI_KO2 = 2,
    OH_AI_KO3 = 3,
    OH_AI_KAUTO = 4,
    OH_AI_KOPTIMIZATIONTYPE = 0xFFFFFFFF
} OH_AI_OptimizationLevel;

typedef enum OH_AI_QuantizationType {
    OH_AI_NO_QUANT = 0,
    OH_AI_WEIGHT_QUANT = 1,
    OH_AI_FULL_QUANT = 2,
    OH_AI_UNKNOWN_QUANT_TYPE = 0xFFFFFFFF
} OH_AI_QuantizationType;

typedef struct NNRTDeviceDesc NNRTDeviceDesc;

#ifdef __cplusplus
}
#endif
#endif
