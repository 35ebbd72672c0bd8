// SPDX-License-Identifier: Apache-2.0
// Compilations: kept, never built, since there is no device to build for.
#include "neural_network_runtime/neural_network_core.h"

#include <stdlib.h>

struct OH_NNCompilation {
    const OH_NNModel *model;
    size_t device;
    bool tried;
};

OH_NNCompilation *OH_NNCompilation_Construct(const OH_NNModel *model)
{
    if (model == nullptr) {
        return nullptr;
    }
    auto *made = static_cast<OH_NNCompilation *>(calloc(1, sizeof(OH_NNCompilation)));
    if (made != nullptr) {
        made->model = model;
    }
    return made;
}

OH_NN_ReturnCode OH_NNCompilation_SetDevice(OH_NNCompilation *compilation, size_t deviceID)
{
    if (compilation == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    compilation->device = deviceID;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNCompilation_Build(OH_NNCompilation *compilation)
{
    if (compilation == nullptr || compilation->tried) {
        return OH_NN_INVALID_PARAMETER;
    }
    compilation->tried = true;
    return OH_NN_FAILED;
}

void OH_NNCompilation_Destroy(OH_NNCompilation **compilation)
{
    if (compilation != nullptr) {
        free(*compilation);
        *compilation = nullptr;
    }
}
