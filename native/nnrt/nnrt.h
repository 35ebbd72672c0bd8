/* SPDX-License-Identifier: Apache-2.0 */
/* The C ABI of NNRt for programs that find the library at run time: types, one table of pointers, and what fills it.
 *
 * The SDK's headers need a library to link, and gcc compiles none of them as C (OH_NN_FuseType has a fixed type there); a system may
 * have no NNRt at all, which is no error for us. Names and numbers are the SDK's.
 * Of operators and parameters only those stand here that we use. C11 and C++11. */
#ifndef KILN_NNRT_H
#define KILN_NNRT_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
#define NNRT_ENUM(name, ...) enum name : int { __VA_ARGS__ }
extern "C" {
#else
#define NNRT_ENUM(name, ...) typedef enum name { __VA_ARGS__ } name
#endif

typedef struct OH_NNModel OH_NNModel;
typedef struct OH_NNCompilation OH_NNCompilation;
typedef struct OH_NNExecutor OH_NNExecutor;
typedef struct NN_QuantParam NN_QuantParam;
typedef struct NN_TensorDesc NN_TensorDesc;
typedef struct NN_Tensor NN_Tensor;

NNRT_ENUM(OH_NN_ReturnCode,
    OH_NN_SUCCESS = 0, OH_NN_FAILED, OH_NN_INVALID_PARAMETER, OH_NN_MEMORY_ERROR, OH_NN_OPERATION_FORBIDDEN, OH_NN_NULL_PTR,
    OH_NN_INVALID_FILE, OH_NN_UNAVALIDABLE_DEVICE, OH_NN_INVALID_PATH, OH_NN_TIMEOUT, OH_NN_UNSUPPORTED, OH_NN_CONNECTION_EXCEPTION,
    OH_NN_SAVE_CACHE_EXCEPTION, OH_NN_DYNAMIC_SHAPE, OH_NN_UNAVAILABLE_DEVICE);
NNRT_ENUM(OH_NN_DeviceType, OH_NN_OTHERS = 0, OH_NN_CPU, OH_NN_GPU, OH_NN_ACCELERATOR);
NNRT_ENUM(OH_NN_DataType,
    OH_NN_UNKNOWN = 0, OH_NN_BOOL, OH_NN_INT8, OH_NN_INT16, OH_NN_INT32, OH_NN_INT64, OH_NN_UINT8, OH_NN_UINT16, OH_NN_UINT32,
    OH_NN_UINT64, OH_NN_FLOAT16, OH_NN_FLOAT32, OH_NN_FLOAT64);
NNRT_ENUM(OH_NN_Format, OH_NN_FORMAT_NONE = 0, OH_NN_FORMAT_NCHW, OH_NN_FORMAT_NHWC, OH_NN_FORMAT_ND);
NNRT_ENUM(OH_NN_PerformanceMode,
    OH_NN_PERFORMANCE_NONE = 0, OH_NN_PERFORMANCE_LOW, OH_NN_PERFORMANCE_MEDIUM, OH_NN_PERFORMANCE_HIGH, OH_NN_PERFORMANCE_EXTREME);
NNRT_ENUM(OH_NN_Priority, OH_NN_PRIORITY_NONE = 0, OH_NN_PRIORITY_LOW, OH_NN_PRIORITY_MEDIUM, OH_NN_PRIORITY_HIGH);
NNRT_ENUM(OH_NN_OperationType,
    OH_NN_OPS_ADD = 1, OH_NN_OPS_MATMUL = 19, OH_NN_OPS_MUL = 22, OH_NN_OPS_SIGMOID = 28, OH_NN_OPS_SOFTMAX = 30, OH_NN_OPS_SWISH = 105);
NNRT_ENUM(OH_NN_TensorType,
    OH_NN_TENSOR = 0, OH_NN_ADD_ACTIVATIONTYPE = 1, OH_NN_MATMUL_TRANSPOSE_A = 33, OH_NN_MATMUL_TRANSPOSE_B = 34,
    OH_NN_MATMUL_ACTIVATION_TYPE = 35, OH_NN_MUL_ACTIVATION_TYPE = 41, OH_NN_SOFTMAX_AXIS = 46);

typedef struct OH_NN_UInt32Array {
    uint32_t *data;
    uint32_t size;
} OH_NN_UInt32Array;
typedef struct OH_NN_QuantParam {
    uint32_t quantCount;
    const uint32_t *numBits;
    const double *scale;
    const int32_t *zeroPoint;
} OH_NN_QuantParam;
typedef struct OH_NN_Tensor {
    OH_NN_DataType dataType;
    uint32_t dimensionCount;
    const int32_t *dimensions;
    const OH_NN_QuantParam *quantParam;
    OH_NN_TensorType type;
} OH_NN_Tensor;
typedef struct OH_NN_Memory {
    void *const data;
    const size_t length;
} OH_NN_Memory;

typedef void (*NN_OnRunDone)(void *, OH_NN_ReturnCode, void **, int32_t);
typedef void (*NN_OnServiceDied)(void *);

/* API 9 and still current. */
#define NNRT_API_9(X) \
    X(OH_NN_ReturnCode, OH_NNCompilation_Build, (OH_NNCompilation *)) \
    X(OH_NNCompilation *, OH_NNCompilation_Construct, (const OH_NNModel *)) \
    X(void, OH_NNCompilation_Destroy, (OH_NNCompilation **)) \
    X(OH_NN_ReturnCode, OH_NNCompilation_EnableFloat16, (OH_NNCompilation *, bool)) \
    X(OH_NN_ReturnCode, OH_NNCompilation_SetCache, (OH_NNCompilation *, const char *, uint32_t)) \
    X(OH_NN_ReturnCode, OH_NNCompilation_SetDevice, (OH_NNCompilation *, size_t)) \
    X(OH_NN_ReturnCode, OH_NNCompilation_SetPerformanceMode, (OH_NNCompilation *, OH_NN_PerformanceMode)) \
    X(OH_NN_ReturnCode, OH_NNCompilation_SetPriority, (OH_NNCompilation *, OH_NN_Priority)) \
    X(OH_NN_ReturnCode, OH_NNDevice_GetAllDevicesID, (const size_t **, uint32_t *)) \
    X(OH_NN_ReturnCode, OH_NNDevice_GetName, (size_t, const char **)) \
    X(OH_NN_ReturnCode, OH_NNDevice_GetType, (size_t, OH_NN_DeviceType *)) \
    X(OH_NNExecutor *, OH_NNExecutor_Construct, (OH_NNCompilation *)) \
    X(void, OH_NNExecutor_Destroy, (OH_NNExecutor **)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_GetOutputShape, (OH_NNExecutor *, uint32_t, int32_t **, uint32_t *)) \
    X(OH_NN_ReturnCode, OH_NNModel_AddOperation, (OH_NNModel *, OH_NN_OperationType, const OH_NN_UInt32Array *, \
      const OH_NN_UInt32Array *, const OH_NN_UInt32Array *)) \
    X(OH_NNModel *, OH_NNModel_Construct, (void)) \
    X(void, OH_NNModel_Destroy, (OH_NNModel **)) \
    X(OH_NN_ReturnCode, OH_NNModel_Finish, (OH_NNModel *)) \
    X(OH_NN_ReturnCode, OH_NNModel_GetAvailableOperations, (OH_NNModel *, size_t, const bool **, uint32_t *)) \
    X(OH_NN_ReturnCode, OH_NNModel_SetTensorData, (OH_NNModel *, uint32_t, const void *, size_t)) \
    X(OH_NN_ReturnCode, OH_NNModel_SpecifyInputsAndOutputs, (OH_NNModel *, const OH_NN_UInt32Array *, const OH_NN_UInt32Array *))

/* API 9, deprecated since 11; a library of API 9 or 10 has no other way to run a model. */
#define NNRT_API_9_OLD(X) \
    X(OH_NN_Memory *, OH_NNExecutor_AllocateInputMemory, (OH_NNExecutor *, uint32_t, size_t)) \
    X(OH_NN_Memory *, OH_NNExecutor_AllocateOutputMemory, (OH_NNExecutor *, uint32_t, size_t)) \
    X(void, OH_NNExecutor_DestroyInputMemory, (OH_NNExecutor *, uint32_t, OH_NN_Memory **)) \
    X(void, OH_NNExecutor_DestroyOutputMemory, (OH_NNExecutor *, uint32_t, OH_NN_Memory **)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_Run, (OH_NNExecutor *)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_SetInput, (OH_NNExecutor *, uint32_t, const OH_NN_Tensor *, const void *, size_t)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_SetInputWithMemory, (OH_NNExecutor *, uint32_t, const OH_NN_Tensor *, const OH_NN_Memory *)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_SetOutput, (OH_NNExecutor *, uint32_t, void *, size_t)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_SetOutputWithMemory, (OH_NNExecutor *, uint32_t, const OH_NN_Memory *)) \
    X(OH_NN_ReturnCode, OH_NNModel_AddTensor, (OH_NNModel *, const OH_NN_Tensor *))

/* From API 11. */
#define NNRT_API_11(X) \
    X(OH_NN_ReturnCode, OH_NNCompilation_AddExtensionConfig, (OH_NNCompilation *, const char *, const void *, size_t)) \
    X(OH_NNCompilation *, OH_NNCompilation_ConstructForCache, (void)) \
    X(OH_NNCompilation *, OH_NNCompilation_ConstructWithOfflineModelBuffer, (const void *, size_t)) \
    X(OH_NNCompilation *, OH_NNCompilation_ConstructWithOfflineModelFile, (const char *)) \
    X(OH_NN_ReturnCode, OH_NNCompilation_ExportCacheToBuffer, (OH_NNCompilation *, const void *, size_t, size_t *)) \
    X(OH_NN_ReturnCode, OH_NNCompilation_ImportCacheFromBuffer, (OH_NNCompilation *, const void *, size_t)) \
    X(NN_TensorDesc *, OH_NNExecutor_CreateInputTensorDesc, (const OH_NNExecutor *, size_t)) \
    X(NN_TensorDesc *, OH_NNExecutor_CreateOutputTensorDesc, (const OH_NNExecutor *, size_t)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_GetInputCount, (const OH_NNExecutor *, size_t *)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_GetInputDimRange, (const OH_NNExecutor *, size_t, size_t **, size_t **, size_t *)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_GetOutputCount, (const OH_NNExecutor *, size_t *)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_RunAsync, (OH_NNExecutor *, NN_Tensor **, size_t, NN_Tensor **, size_t, int32_t, void *)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_RunSync, (OH_NNExecutor *, NN_Tensor **, size_t, NN_Tensor **, size_t)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_SetOnRunDone, (OH_NNExecutor *, NN_OnRunDone)) \
    X(OH_NN_ReturnCode, OH_NNExecutor_SetOnServiceDied, (OH_NNExecutor *, NN_OnServiceDied)) \
    X(NN_TensorDesc *, OH_NNTensorDesc_Create, (void)) \
    X(OH_NN_ReturnCode, OH_NNTensorDesc_Destroy, (NN_TensorDesc **)) \
    X(OH_NN_ReturnCode, OH_NNTensorDesc_GetByteSize, (const NN_TensorDesc *, size_t *)) \
    X(OH_NN_ReturnCode, OH_NNTensorDesc_GetDataType, (const NN_TensorDesc *, OH_NN_DataType *)) \
    X(OH_NN_ReturnCode, OH_NNTensorDesc_GetElementCount, (const NN_TensorDesc *, size_t *)) \
    X(OH_NN_ReturnCode, OH_NNTensorDesc_GetFormat, (const NN_TensorDesc *, OH_NN_Format *)) \
    X(OH_NN_ReturnCode, OH_NNTensorDesc_GetName, (const NN_TensorDesc *, const char **)) \
    X(OH_NN_ReturnCode, OH_NNTensorDesc_GetShape, (const NN_TensorDesc *, int32_t **, size_t *)) \
    X(OH_NN_ReturnCode, OH_NNTensorDesc_SetDataType, (NN_TensorDesc *, OH_NN_DataType)) \
    X(OH_NN_ReturnCode, OH_NNTensorDesc_SetFormat, (NN_TensorDesc *, OH_NN_Format)) \
    X(OH_NN_ReturnCode, OH_NNTensorDesc_SetName, (NN_TensorDesc *, const char *)) \
    X(OH_NN_ReturnCode, OH_NNTensorDesc_SetShape, (NN_TensorDesc *, const int32_t *, size_t)) \
    X(NN_Tensor *, OH_NNTensor_Create, (size_t, NN_TensorDesc *)) \
    X(NN_Tensor *, OH_NNTensor_CreateWithFd, (size_t, NN_TensorDesc *, int, size_t, size_t)) \
    X(NN_Tensor *, OH_NNTensor_CreateWithSize, (size_t, NN_TensorDesc *, size_t)) \
    X(OH_NN_ReturnCode, OH_NNTensor_Destroy, (NN_Tensor **)) \
    X(void *, OH_NNTensor_GetDataBuffer, (const NN_Tensor *)) \
    X(OH_NN_ReturnCode, OH_NNTensor_GetFd, (const NN_Tensor *, int *)) \
    X(OH_NN_ReturnCode, OH_NNTensor_GetOffset, (const NN_Tensor *, size_t *)) \
    X(OH_NN_ReturnCode, OH_NNTensor_GetSize, (const NN_Tensor *, size_t *)) \
    X(NN_TensorDesc *, OH_NNTensor_GetTensorDesc, (const NN_Tensor *)) \
    X(OH_NN_ReturnCode, OH_NNModel_AddTensorToModel, (OH_NNModel *, const NN_TensorDesc *)) \
    X(OH_NN_ReturnCode, OH_NNModel_SetTensorQuantParams, (OH_NNModel *, uint32_t, NN_QuantParam *)) \
    X(OH_NN_ReturnCode, OH_NNModel_SetTensorType, (OH_NNModel *, uint32_t, OH_NN_TensorType)) \
    X(NN_QuantParam *, OH_NNQuantParam_Create, (void)) \
    X(OH_NN_ReturnCode, OH_NNQuantParam_Destroy, (NN_QuantParam **)) \
    X(OH_NN_ReturnCode, OH_NNQuantParam_SetNumBits, (NN_QuantParam *, const uint32_t *, size_t)) \
    X(OH_NN_ReturnCode, OH_NNQuantParam_SetScales, (NN_QuantParam *, const double *, size_t)) \
    X(OH_NN_ReturnCode, OH_NNQuantParam_SetZeroPoints, (NN_QuantParam *, const int32_t *, size_t))

/* Every function under its own name. `level` is 9 (up to API 10: tensors are the executor's memory) or 11 (descriptions and tensors of
 * their own); the functions of another level are NULL. `why` says in one line why there is none. */
typedef struct nnrt {
    int level;
    char why[160];
    void *core;
    void *runtime;
#define NNRT_POINTER(result, name, parameters) result(*name) parameters;
    NNRT_API_9(NNRT_POINTER)
    NNRT_API_9_OLD(NNRT_POINTER)
    NNRT_API_11(NNRT_POINTER)
#undef NNRT_POINTER
} nnrt;

/* Up to API 10 one library has all, under a name of its own; from 11 on the core has most, and the runtime brings the drivers: a program
 * that loads the core alone sees no device. The libraries stay open for good: drivers keep threads of their own. */
static inline bool nnrt_open(nnrt *api)
{
    const char *lacks = NULL;

    memset(api, 0, sizeof(*api));
    api->core = dlopen("libneural_network_core.so", RTLD_NOW | RTLD_LOCAL);
    api->runtime = dlopen("libneural_network_runtime.so", RTLD_NOW | RTLD_LOCAL);
    if (!api->runtime) {
        api->runtime = dlopen("libneural_network_runtime.z.so", RTLD_NOW | RTLD_LOCAL);
    }
    if (!api->runtime) {
        snprintf(api->why, sizeof(api->why), "this system has no NNRt: libneural_network_runtime.so does not load, nor does the .z.so of API 9");
        return false;
    }
#define NNRT_FIND(result, name, parameters)                                  \
    do {                                                                     \
        void *at = api->core ? dlsym(api->core, #name) : NULL;               \
        if (!at) {                                                           \
            at = dlsym(api->runtime, #name);                                 \
        }                                                                    \
        memcpy((void *)&api->name, (const void *)&at, sizeof(at));           \
        lacks = !at && !lacks ? #name : lacks;                               \
    } while (0);
    NNRT_API_11(NNRT_FIND)
    api->level = lacks ? 9 : 11;
    lacks = NULL;
    NNRT_API_9_OLD(NNRT_FIND)
    if (api->level == 11) {
        lacks = NULL;    /* deprecated there, and may go one day */
    }
    NNRT_API_9(NNRT_FIND)
#undef NNRT_FIND
    if (lacks) {
        snprintf(api->why, sizeof(api->why), "the NNRt library of this system lacks %s", lacks);
        api->level = 0;
    }
    return !lacks;
}

/* The name of a return code, without its prefix. */
static inline const char *nnrt_code(int code)
{
    static const char *const names[] = {
        "SUCCESS", "FAILED", "INVALID_PARAMETER", "MEMORY_ERROR", "OPERATION_FORBIDDEN", "NULL_PTR", "INVALID_FILE",
        "UNAVALIDABLE_DEVICE", "INVALID_PATH", "TIMEOUT", "UNSUPPORTED", "CONNECTION_EXCEPTION", "SAVE_CACHE_EXCEPTION", "DYNAMIC_SHAPE",
        "UNAVAILABLE_DEVICE",
    };
    return code >= 0 && code < (int)(sizeof(names) / sizeof(names[0])) ? names[code] : "unknown code";
}

#ifdef __cplusplus
}
#endif
#endif
