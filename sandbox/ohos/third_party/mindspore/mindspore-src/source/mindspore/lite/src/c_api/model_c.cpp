// SPDX-License-Identifier: Apache-2.0
// Models: made, destroyed, never built.
#include "model_c.h"

#include <stdlib.h>

namespace {
struct Model {
    bool built;
};
}

OH_AI_ModelHandle OH_AI_ModelCreate(void)
{
    return calloc(1, sizeof(Model));
}

void OH_AI_ModelDestroy(OH_AI_ModelHandle *model)
{
    if (model != nullptr) {
        free(*model);
        *model = nullptr;
    }
}

OH_AI_Status OH_AI_ModelBuild(OH_AI_ModelHandle model, const void *model_data, size_t data_size, OH_AI_ModelType model_type,
                              const OH_AI_ContextHandle model_context)
{
    if (model == nullptr || model_data == nullptr || model_context == nullptr) {
        return OH_AI_STATUS_LITE_NULLPTR;
    }
    if (data_size == 0 || model_type != OH_AI_MODELTYPE_MINDIR) {
        return OH_AI_STATUS_LITE_PARAM_INVALID;
    }
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}

OH_AI_Status OH_AI_ModelBuildFromFile(OH_AI_ModelHandle model, const char *model_path, OH_AI_ModelType model_type,
                                      const OH_AI_ContextHandle model_context)
{
    if (model == nullptr || model_path == nullptr || model_context == nullptr) {
        return OH_AI_STATUS_LITE_NULLPTR;
    }
    return model_type == OH_AI_MODELTYPE_MINDIR ? OH_AI_STATUS_LITE_NOT_SUPPORT : OH_AI_STATUS_LITE_PARAM_INVALID;
}
