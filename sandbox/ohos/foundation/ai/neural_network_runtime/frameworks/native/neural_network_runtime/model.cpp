// SPDX-License-Identifier: Apache-2.0
// Models: tensors with their data, inputs and outputs, and the end of building.
#include "inner/handles.h"
#include "inner/sizes.h"
#include "operations.h"

#include <new>

namespace {

using nnrt::Quant;
using nnrt::Tensor;

bool Forbidden(const OH_NNModel *model) { return model->finished || model->spoilt; }

// Are the dims of a model's tensor possible? -1 is open; the whole must be countable in 32 bits.
bool Possible(const std::vector<int32_t> &dims, OH_NN_DataType type)
{
    uint64_t bytes = nnrt::SizeOf(type);
    for (int32_t dim : dims) {
        if (dim == 0 || dim < -1) {
            return false;
        }
        if (dim > 0 && (__builtin_mul_overflow(bytes, static_cast<uint64_t>(dim), &bytes) || bytes > nnrt::MOST_MODEL_BYTES)) {
            return false;
        }
    }
    return true;
}

bool Eight(const Quant &quant)
{
    for (uint32_t bits : quant.numBits) {
        if (bits != 8) {
            return false;
        }
    }
    return quant.scales.size() == quant.zeroPoints.size() && quant.scales.size() == quant.numBits.size();
}

OH_NN_ReturnCode Add(OH_NNModel *model, Tensor &&tensor)
{
    if (!Possible(tensor.dims, tensor.type)) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (model->finished) {
        return OH_NN_SUCCESS;        // the real library takes it; here nothing of it is kept, since the graph is shared by then
    }
    model->graph->tensors.push_back(std::move(tensor));
    return OH_NN_SUCCESS;
}

bool Old(const OH_NN_QuantParam *from, Quant &quant)
{
    if (from == nullptr || from->quantCount == 0) {
        return true;
    }
    if (from->numBits == nullptr || from->scale == nullptr || from->zeroPoint == nullptr) {
        return false;
    }
    quant.numBits.assign(from->numBits, from->numBits + from->quantCount);
    quant.scales.assign(from->scale, from->scale + from->quantCount);
    quant.zeroPoints.assign(from->zeroPoint, from->zeroPoint + from->quantCount);
    return Eight(quant);
}

// The indices of a list of inputs or outputs; false if there are none, too many, or one that is no data.
bool Indices(const OH_NNModel *model, const OH_NN_UInt32Array *from, std::vector<uint32_t> &into)
{
    if (from == nullptr || from->data == nullptr || from->size == 0 || from->size > nnrt::MOST_OPERANDS) {
        return false;
    }
    for (uint32_t i = 0; i < from->size; i++) {
        const uint32_t index = from->data[i];
        if (index >= model->graph->tensors.size() || model->graph->tensors[index].role != OH_NN_TENSOR) {
            return false;
        }
        // The header forbids a constant here; the real library does not look.
        if (nnrt::TheSettings().strict && model->graph->tensors[index].data != nullptr) {
            return false;
        }
        into.push_back(index);
    }
    return true;
}

}

OH_NNModel *OH_NNModel_Construct(void)
{
    NNRT_CALL(nullptr);
    auto *made = new (std::nothrow) OH_NNModel;
    if (made != nullptr) {
        made->graph = std::make_shared<nnrt::Graph>();
    }
    return made;
}

void OH_NNModel_Destroy(OH_NNModel **model)
{
    if (model != nullptr) {
        delete *model;
        *model = nullptr;
    }
}

OH_NN_ReturnCode OH_NNModel_AddTensorToModel(OH_NNModel *model, const NN_TensorDesc *tensorDesc)
{
    NNRT_CALL_CODE();
    if (model == nullptr || tensorDesc == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (model->finished && nnrt::TheSettings().strict) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    Tensor tensor;
    tensor.type = tensorDesc->type;
    tensor.dims = tensorDesc->dims;
    return Add(model, std::move(tensor));
}

OH_NN_ReturnCode OH_NNModel_AddTensor(OH_NNModel *model, const OH_NN_Tensor *tensor)
{
    NNRT_CALL_CODE();
    if (model == nullptr || tensor == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (Forbidden(model)) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    Tensor made;
    if (!nnrt::Known(tensor->dataType) || static_cast<uint32_t>(tensor->type) > nnrt::LastRole(nnrt::TheSettings().level) ||
        (tensor->dimensions == nullptr && tensor->dimensionCount != 0) || tensor->dimensionCount > nnrt::MOST_OPERANDS ||
        !Old(tensor->quantParam, made.quant)) {
        return OH_NN_INVALID_PARAMETER;
    }
    made.type = tensor->dataType;
    made.role = tensor->type;
    if (tensor->dimensions != nullptr) {
        made.dims.assign(tensor->dimensions, tensor->dimensions + tensor->dimensionCount);
    }
    return Add(model, std::move(made));
}

OH_NN_ReturnCode OH_NNModel_SetTensorType(OH_NNModel *model, uint32_t index, OH_NN_TensorType tensorType)
{
    NNRT_CALL_CODE();
    if (model == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (Forbidden(model)) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    if (index >= model->graph->tensors.size() || static_cast<uint32_t>(tensorType) > nnrt::LastRole(nnrt::TheSettings().level)) {
        return OH_NN_INVALID_PARAMETER;
    }
    model->graph->tensors[index].role = tensorType;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNModel_SetTensorQuantParams(OH_NNModel *model, uint32_t index, NN_QuantParam *quantParam)
{
    NNRT_CALL_CODE();
    if (model == nullptr || quantParam == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (Forbidden(model)) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    if (index >= model->graph->tensors.size() || !Eight(quantParam->quant)) {
        return OH_NN_INVALID_PARAMETER;
    }
    model->graph->tensors[index].quant = quantParam->quant;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNModel_SetTensorData(OH_NNModel *model, uint32_t index, const void *dataBuffer, size_t length)
{
    NNRT_CALL_CODE();
    if (model == nullptr || dataBuffer == nullptr || length == 0) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (Forbidden(model)) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    if (index >= model->graph->tensors.size() || model->graph->tensors[index].data != nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    Tensor &tensor = model->graph->tensors[index];
    uint64_t count = 0;
    if (nnrt::Elements(tensor.dims, count) == nnrt::Count::OPEN) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    if (length != count * nnrt::SizeOf(tensor.type)) {
        return OH_NN_INVALID_PARAMETER;
    }
    auto copy = std::make_shared<nnrt::Bytes>(length);
    if (copy->size() != length) {
        return OH_NN_MEMORY_ERROR;
    }
    memcpy(copy->data(), dataBuffer, length);
    tensor.data = std::move(copy);
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNModel_SpecifyInputsAndOutputs(OH_NNModel *model, const OH_NN_UInt32Array *inputIndices,
                                                    const OH_NN_UInt32Array *outputIndices)
{
    NNRT_CALL_CODE();
    if (model == nullptr || inputIndices == nullptr || outputIndices == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (Forbidden(model) || model->specified) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    std::vector<uint32_t> inputs, outputs;
    if (!Indices(model, inputIndices, inputs) || !Indices(model, outputIndices, outputs)) {
        return OH_NN_INVALID_PARAMETER;
    }
    for (uint32_t input : inputs) {
        for (uint32_t output : outputs) {
            if (input == output) {
                return OH_NN_INVALID_PARAMETER;
            }
        }
    }
    model->graph->inputs = inputs;
    model->graph->outputs = outputs;
    model->specified = true;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNModel_Finish(OH_NNModel *model)
{
    NNRT_CALL_CODE();
    if (model == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (Forbidden(model) || !model->specified || model->graph->tensors.empty() || model->graph->nodes.empty()) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    for (const nnrt::Node &node : model->graph->nodes) {
        if (node.op == OH_NN_OPS_QUANT_DTYPE_CAST &&
            (node.Find(OH_NN_QUANT_DTYPE_CAST_SRC_T) == nullptr || node.Find(OH_NN_QUANT_DTYPE_CAST_DST_T) == nullptr)) {
            model->spoilt = true;
            return OH_NN_FAILED;
        }
    }
    model->finished = true;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNModel_GetAvailableOperations(OH_NNModel *model, size_t deviceID, const bool **isSupported, uint32_t *opCount)
{
    NNRT_CALL_CODE();
    if (model == nullptr || isSupported == nullptr || *isSupported != nullptr || opCount == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (!model->finished) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    const nnrt::Device *device = nnrt::FindDevice(deviceID);
    if (device == nullptr) {
        return OH_NN_FAILED;
    }
    const size_t count = model->graph->nodes.size();
    model->supported.reset(new bool[count]);
    for (size_t i = 0; i < count; i++) {
        model->supported[i] = device->Supports(*model->graph, model->graph->nodes[i]);
    }
    *isSupported = model->supported.get();
    *opCount = static_cast<uint32_t>(count);
    return OH_NN_SUCCESS;
}
