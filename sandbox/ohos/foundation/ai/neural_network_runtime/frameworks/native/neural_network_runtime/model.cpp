// SPDX-License-Identifier: Apache-2.0
// Models: made empty and kept empty.
#include "neural_network_runtime/neural_network_runtime.h"

#include <stdlib.h>

struct OH_NNModel {
    uint32_t tensors;
};

OH_NNModel *OH_NNModel_Construct(void)
{
    return static_cast<OH_NNModel *>(calloc(1, sizeof(OH_NNModel)));
}

OH_NN_ReturnCode OH_NNModel_Finish(OH_NNModel *model)
{
    return model == nullptr ? OH_NN_INVALID_PARAMETER : OH_NN_OPERATION_FORBIDDEN;
}

OH_NN_ReturnCode OH_NNModel_GetAvailableOperations(OH_NNModel *model, size_t, const bool **isSupported, uint32_t *opCount)
{
    if (model == nullptr || isSupported == nullptr || *isSupported != nullptr || opCount == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    return OH_NN_OPERATION_FORBIDDEN;    // it was never finished
}

void OH_NNModel_Destroy(OH_NNModel **model)
{
    if (model != nullptr) {
        free(*model);
        *model = nullptr;
    }
}
