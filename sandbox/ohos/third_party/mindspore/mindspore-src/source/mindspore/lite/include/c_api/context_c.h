/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts and devices, as far as the stand-in has them.
 *
 * It does: keep a context with its thread number and devices, and list NNRt's devices (there are none).
 * It does not: thread affinity, providers, frequencies and extensions, whose functions it does not export. */
#ifndef MINDSPORE_CONTEXT_C_H
#define MINDSPORE_CONTEXT_C_H

#include "types_c.h"

#ifdef __cplusplus
extern "C" {
#endif

OH_AI_API OH_AI_ContextHandle OH_AI_ContextCreate(void);
OH_AI_API void OH_AI_ContextDestroy(OH_AI_ContextHandle *context);
OH_AI_API void OH_AI_ContextSetThreadNum(OH_AI_ContextHandle context, int32_t thread_num);
OH_AI_API int32_t OH_AI_ContextGetThreadNum(const OH_AI_ContextHandle context);
OH_AI_API void OH_AI_ContextAddDeviceInfo(OH_AI_ContextHandle context, OH_AI_DeviceInfoHandle device_info);

OH_AI_API OH_AI_DeviceInfoHandle OH_AI_DeviceInfoCreate(OH_AI_DeviceType device_type);
OH_AI_API void OH_AI_DeviceInfoDestroy(OH_AI_DeviceInfoHandle *device_info);
OH_AI_API OH_AI_DeviceType OH_AI_DeviceInfoGetDeviceType(const OH_AI_DeviceInfoHandle device_info);

OH_AI_API NNRTDeviceDesc *OH_AI_GetAllNNRTDeviceDescs(size_t *num);
OH_AI_API void OH_AI_DestroyAllNNRTDeviceDescs(NNRTDeviceDesc **desc);

#ifdef __cplusplus
}
#endif
#endif
