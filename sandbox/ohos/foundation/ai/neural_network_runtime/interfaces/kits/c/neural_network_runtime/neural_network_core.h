/* SPDX-License-Identifier: Apache-2.0 */
/* The core API of NNRt: 50 functions. Up to API 10 those of API 9 lay in the one library that there was.
 * Written for Kiln from the names, signatures and numbers of the real API (README.md). */
#ifndef NEURAL_NETWORK_CORE_H
#define NEURAL_NETWORK_CORE_H

#include "neural_network_runtime_type.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Devices: what can run a model. An id of 0 is the first device, which need not be the first of the list. */
NNRT_API_9 OH_NN_ReturnCode OH_NNDevice_GetAllDevicesID(const size_t **allDevicesID, uint32_t *deviceCount);
NNRT_API_9 OH_NN_ReturnCode OH_NNDevice_GetName(size_t deviceID, const char **name);
NNRT_API_9 OH_NN_ReturnCode OH_NNDevice_GetType(size_t deviceID, OH_NN_DeviceType *deviceType);

/* Compilations: a finished model made ready for one device. One Build for each; the model lives until then. */
NNRT_API_11 OH_NN_ReturnCode OH_NNCompilation_AddExtensionConfig(OH_NNCompilation *compilation, const char *configName,
    const void *configValue, const size_t configValueSize);
NNRT_API_9 OH_NN_ReturnCode OH_NNCompilation_Build(OH_NNCompilation *compilation);
NNRT_API_9 OH_NNCompilation *OH_NNCompilation_Construct(const OH_NNModel *model);
NNRT_API_11 OH_NNCompilation *OH_NNCompilation_ConstructForCache(void);
NNRT_API_11 OH_NNCompilation *OH_NNCompilation_ConstructWithOfflineModelBuffer(const void *modelBuffer, size_t modelSize);
NNRT_API_11 OH_NNCompilation *OH_NNCompilation_ConstructWithOfflineModelFile(const char *modelPath);
NNRT_API_9 void OH_NNCompilation_Destroy(OH_NNCompilation **compilation);
NNRT_API_9 OH_NN_ReturnCode OH_NNCompilation_EnableFloat16(OH_NNCompilation *compilation, bool enableFloat16);
NNRT_API_11 OH_NN_ReturnCode OH_NNCompilation_ExportCacheToBuffer(OH_NNCompilation *compilation, const void *buffer,
    size_t length, size_t *modelSize);
NNRT_API_11 OH_NN_ReturnCode OH_NNCompilation_ImportCacheFromBuffer(OH_NNCompilation *compilation, const void *buffer,
    size_t modelSize);
NNRT_API_9 OH_NN_ReturnCode OH_NNCompilation_SetCache(OH_NNCompilation *compilation, const char *cachePath,
    uint32_t version);
NNRT_API_9 OH_NN_ReturnCode OH_NNCompilation_SetDevice(OH_NNCompilation *compilation, size_t deviceID);
NNRT_API_9 OH_NN_ReturnCode OH_NNCompilation_SetPerformanceMode(OH_NNCompilation *compilation,
    OH_NN_PerformanceMode performanceMode);
NNRT_API_9 OH_NN_ReturnCode OH_NNCompilation_SetPriority(OH_NNCompilation *compilation, OH_NN_Priority priority);

/* Descriptions: type, shape, format and name of a tensor. A dimension of -1 is open. */
NNRT_API_11 NN_TensorDesc *OH_NNTensorDesc_Create(void);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensorDesc_Destroy(NN_TensorDesc **tensorDesc);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensorDesc_GetByteSize(const NN_TensorDesc *tensorDesc, size_t *byteSize);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensorDesc_GetDataType(const NN_TensorDesc *tensorDesc, OH_NN_DataType *dataType);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensorDesc_GetElementCount(const NN_TensorDesc *tensorDesc, size_t *elementCount);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensorDesc_GetFormat(const NN_TensorDesc *tensorDesc, OH_NN_Format *format);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensorDesc_GetName(const NN_TensorDesc *tensorDesc, const char **name);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensorDesc_GetShape(const NN_TensorDesc *tensorDesc, int32_t **shape,
    size_t *shapeLength);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensorDesc_SetDataType(NN_TensorDesc *tensorDesc, OH_NN_DataType dataType);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensorDesc_SetFormat(NN_TensorDesc *tensorDesc, OH_NN_Format format);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensorDesc_SetName(NN_TensorDesc *tensorDesc, const char *name);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensorDesc_SetShape(NN_TensorDesc *tensorDesc, const int32_t *shape, size_t shapeLength);

/* Tensors: memory that device and caller share, with a description of their own. */
NNRT_API_11 NN_Tensor *OH_NNTensor_Create(size_t deviceID, NN_TensorDesc *tensorDesc);
NNRT_API_11 NN_Tensor *OH_NNTensor_CreateWithFd(size_t deviceID, NN_TensorDesc *tensorDesc, int fd, size_t size,
    size_t offset);
NNRT_API_11 NN_Tensor *OH_NNTensor_CreateWithSize(size_t deviceID, NN_TensorDesc *tensorDesc, size_t size);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensor_Destroy(NN_Tensor **tensor);
NNRT_API_11 void *OH_NNTensor_GetDataBuffer(const NN_Tensor *tensor);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensor_GetFd(const NN_Tensor *tensor, int *fd);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensor_GetOffset(const NN_Tensor *tensor, size_t *offset);
NNRT_API_11 OH_NN_ReturnCode OH_NNTensor_GetSize(const NN_Tensor *tensor, size_t *size);
NNRT_API_11 NN_TensorDesc *OH_NNTensor_GetTensorDesc(const NN_Tensor *tensor);

/* Executors: runs of a compilation. Tensors are made from the descriptions that the executor gives. */
NNRT_API_9 OH_NNExecutor *OH_NNExecutor_Construct(OH_NNCompilation *compilation);
NNRT_API_11 NN_TensorDesc *OH_NNExecutor_CreateInputTensorDesc(const OH_NNExecutor *executor, size_t index);
NNRT_API_11 NN_TensorDesc *OH_NNExecutor_CreateOutputTensorDesc(const OH_NNExecutor *executor, size_t index);
NNRT_API_9 void OH_NNExecutor_Destroy(OH_NNExecutor **executor);
NNRT_API_11 OH_NN_ReturnCode OH_NNExecutor_GetInputCount(const OH_NNExecutor *executor, size_t *inputCount);
NNRT_API_11 OH_NN_ReturnCode OH_NNExecutor_GetInputDimRange(const OH_NNExecutor *executor, size_t index,
    size_t **minInputDims, size_t **maxInputDims, size_t *shapeLength);
NNRT_API_11 OH_NN_ReturnCode OH_NNExecutor_GetOutputCount(const OH_NNExecutor *executor, size_t *outputCount);
NNRT_API_9 OH_NN_ReturnCode OH_NNExecutor_GetOutputShape(OH_NNExecutor *executor, uint32_t outputIndex, int32_t **shape,
    uint32_t *shapeLength);
NNRT_API_11 OH_NN_ReturnCode OH_NNExecutor_RunAsync(OH_NNExecutor *executor, NN_Tensor *inputTensor[],
    size_t inputCount, NN_Tensor *outputTensor[], size_t outputCount, int32_t timeout, void *userData);
NNRT_API_11 OH_NN_ReturnCode OH_NNExecutor_RunSync(OH_NNExecutor *executor, NN_Tensor *inputTensor[], size_t inputCount,
    NN_Tensor *outputTensor[], size_t outputCount);
NNRT_API_11 OH_NN_ReturnCode OH_NNExecutor_SetOnRunDone(OH_NNExecutor *executor, NN_OnRunDone onRunDone);
NNRT_API_11 OH_NN_ReturnCode OH_NNExecutor_SetOnServiceDied(OH_NNExecutor *executor, NN_OnServiceDied onServiceDied);

#ifdef __cplusplus
}
#endif
#endif
