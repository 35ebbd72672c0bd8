// SPDX-License-Identifier: Apache-2.0
// AddOperation: what the builders of the real library check, out of the table of operations and a few cases of their own.
#include "inner/handles.h"
#include "inner/sizes.h"
#include "operations.h"

namespace {

using nnrt::Node;
using nnrt::OperationRule;
using nnrt::Tensor;

bool Read(const OH_NN_UInt32Array *from, size_t tensors, std::vector<uint32_t> &into)
{
    if (from->size > nnrt::MOST_OPERANDS || (from->data == nullptr && from->size != 0)) {
        return false;
    }
    for (uint32_t i = 0; i < from->size; i++) {
        if (from->data[i] >= tensors) {
            return false;
        }
        into.push_back(from->data[i]);
    }
    return true;
}

bool Operands(const OperationRule &rule, const Node &node, const std::vector<Tensor> &tensors)
{
    const size_t in = node.inputs.size(), out = node.outputs.size();
    if (in < rule.leastInputs || in > rule.mostInputs || out < rule.leastOutputs || out > rule.mostOutputs) {
        return false;
    }
    for (uint32_t input : node.inputs) {
        for (uint32_t output : node.outputs) {
            if (input == output) {
                return false;
            }
        }
    }
    for (const auto *list : {&node.inputs, &node.outputs}) {
        for (uint32_t index : *list) {
            if (tensors[index].role != OH_NN_TENSOR) {
                return false;
            }
        }
    }
    return true;
}

bool Params(const OperationRule &rule, const std::vector<uint32_t> &indices, const std::vector<Tensor> &tensors, Node &node)
{
    for (uint32_t index : indices) {
        const Tensor &tensor = tensors[index];
        const nnrt::ParamRule *param = ParamRuleOf(rule, tensor.role);
        if (param == nullptr || (param->types >> tensor.type & 1) == 0 || tensor.data == nullptr) {
            return false;
        }
        uint64_t count = 0;
        if (nnrt::Elements(tensor.dims, count) != nnrt::Count::EXACT || (param->amount == nnrt::ONE && count != 1)) {
            return false;
        }
        node.params.push_back({tensor.role, tensor.type, tensor.data});
    }
    return true;
}

// Up to API 11 the activation is required, an axis may follow, and there is always a bias.
bool OldFullConnection(const Node &node)
{
    const size_t params = node.params.size();
    return node.inputs.size() == 3 && node.Find(OH_NN_FULL_CONNECTION_ACTIVATIONTYPE) != nullptr &&
           (params == 1 || (params == 2 && node.Find(OH_NN_FULL_CONNECTION_AXIS) != nullptr));
}

// Gamma and beta are as the normalized part of the input, which begins at an axis in [1, rank).
bool LayerNorm(const Node &node, const std::vector<Tensor> &tensors)
{
    const std::vector<int32_t> &dims = tensors[node.inputs[0]].dims;
    const auto rank = static_cast<int64_t>(dims.size());
    int64_t axis = node.One<int64_t>(OH_NN_LAYER_NORM_BEGIN_NORM_AXIS, 1);
    axis = axis < 0 ? axis + rank : axis;
    if (axis < 1 || axis >= rank) {
        return false;
    }
    const std::vector<int32_t> part(dims.begin() + axis, dims.end());
    return tensors[node.inputs[1]].dims == part && tensors[node.inputs[2]].dims == part;
}

bool Special(const Node &node, const std::vector<Tensor> &tensors, int level)
{
    switch (node.op) {
        case OH_NN_OPS_CAST:                 // the type is read here
            return tensors[node.inputs[1]].data != nullptr;
        case OH_NN_OPS_FULL_CONNECTION:
            return level >= 12 || OldFullConnection(node);
        case OH_NN_OPS_LAYER_NORM:
            return LayerNorm(node, tensors);
        case OH_NN_OPS_SPLIT:
            return node.One<int64_t>(OH_NN_SPLIT_OUTPUT_NUM, 0) == static_cast<int64_t>(node.outputs.size());
        default:
            return true;
    }
}

}

OH_NN_ReturnCode OH_NNModel_AddOperation(OH_NNModel *model, OH_NN_OperationType op, const OH_NN_UInt32Array *paramIndices,
                                         const OH_NN_UInt32Array *inputIndices, const OH_NN_UInt32Array *outputIndices)
{
    NNRT_CALL_CODE();
    if (model == nullptr || paramIndices == nullptr || inputIndices == nullptr || outputIndices == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (model->finished || model->spoilt) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    const int level = nnrt::TheSettings().level;
    const OperationRule *rule = nnrt::RuleOf(op, level);
    const std::vector<Tensor> &tensors = model->graph->tensors;
    Node node{op, {}, {}, {}};
    std::vector<uint32_t> params;
    if (rule == nullptr || !Read(paramIndices, tensors.size(), params) || !Read(inputIndices, tensors.size(), node.inputs) ||
        !Read(outputIndices, tensors.size(), node.outputs) || !Operands(*rule, node, tensors) || !Params(*rule, params, tensors, node) ||
        !Special(node, tensors, level)) {
        return OH_NN_INVALID_PARAMETER;
    }
    model->graph->nodes.push_back(std::move(node));
    return OH_NN_SUCCESS;
}
