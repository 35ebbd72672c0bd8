/* SPDX-License-Identifier: Apache-2.0 */
/* Models, as far as the stand-in has them.
 *
 * It does: make and destroy a model.
 * It does not: read one. Building gives OH_AI_STATUS_LITE_NOT_SUPPORT for every model; the functions that would run one or
 * hand out tensors are not exported. */
#ifndef MINDSPORE_MODEL_C_H
#define MINDSPORE_MODEL_C_H

#include "types_c.h"

#ifdef __cplusplus
extern "C" {
#endif

OH_AI_API OH_AI_ModelHandle OH_AI_ModelCreate(void);
OH_AI_API void OH_AI_ModelDestroy(OH_AI_ModelHandle *model);
OH_AI_API OH_AI_Status OH_AI_ModelBuild(OH_AI_ModelHandle model, const void *model_data, size_t data_size,
                                        OH_AI_ModelType model_type, const OH_AI_ContextHandle model_context);
OH_AI_API OH_AI_Status OH_AI_ModelBuildFromFile(OH_AI_ModelHandle model, const char *model_path, OH_AI_ModelType model_type,
                                                const OH_AI_ContextHandle model_context);

#ifdef __cplusplus
}
#endif
#endif
