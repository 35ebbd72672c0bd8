// SPDX-License-Identifier: Apache-2.0
// The table of operations: what AddOperation checks.
#ifndef NNRT_RUNTIME_OPERATIONS_H
#define NNRT_RUNTIME_OPERATIONS_H

#include "neural_network_runtime/neural_network_runtime_type.h"

namespace nnrt {

// The data types that a parameter may have, a bit for each.
enum ParamTypes : uint16_t {
    BOOL = 1 << OH_NN_BOOL,
    I8 = 1 << OH_NN_INT8,
    I32 = 1 << OH_NN_INT32,
    I64 = 1 << OH_NN_INT64,
    F32 = 1 << OH_NN_FLOAT32,
    I8_I64 = I8 | I64,
};
enum Amount : uint8_t { ONE, MANY };

struct ParamRule {
    OH_NN_TensorType kind;
    uint16_t types;
    Amount amount;
};

struct OperationRule {
    const char *name;
    uint8_t leastInputs, mostInputs, leastOutputs, mostOutputs;
    ParamRule params[10];
};

constexpr int LAST_LEVEL = 1000;      // all there is

// The row of an operation; null if the API of that level has none.
const OperationRule *RuleOf(OH_NN_OperationType op, int level);
// The row of its parameter `kind`; null if that belongs to another operation.
const ParamRule *ParamRuleOf(const OperationRule &rule, OH_NN_TensorType kind);
// The last kind of tensor that the API of a level knows.
OH_NN_TensorType LastRole(int level);

}
#endif
