// SPDX-License-Identifier: Apache-2.0
// Executors: what goes in and out of a compiled model, and one run of it.
#include "compilation.h"
#include "inner/sizes.h"

#include <new>
#include <sys/mman.h>

OH_NNExecutor::~OH_NNExecutor()
{
    for (const auto *made : {&inputMemory, &outputMemory}) {
        for (const auto &pair : *made) {
            nnrt::FreeMemory(pair.second);
        }
    }
}

namespace nnrt {

void FreeMemory(OH_NN_Memory *memory)
{
    munmap(memory->data, memory->length);
    delete memory;
}

OH_NN_ReturnCode RunLocked(OH_NNExecutor &executor, std::vector<Slot> &inputs, std::vector<Slot> &outputs)
{
    const uint64_t began = Now();
    const OH_NN_ReturnCode code = executor.session->Run(inputs, outputs);
    CountRun(Now() - began);
    if (code != OH_NN_SUCCESS) {
        return OH_NN_UNAVAILABLE_DEVICE;
    }
    for (size_t i = 0; i < outputs.size(); i++) {
        executor.outputDims[i] = outputs[i].dims;
    }
    return OH_NN_SUCCESS;
}

}

namespace {

NN_TensorDesc *Described(const nnrt::Port &port)
{
    auto *made = new (std::nothrow) NN_TensorDesc;
    if (made != nullptr) {
        made->type = port.type;
        made->format = OH_NN_FORMAT_NHWC;
        made->dims = port.dims;
        made->name = port.name;
    }
    return made;
}

// Are the dims of an input within what the device takes? Where it cannot tell, they are left to the driver.
bool Within(const nnrt::Prepared &prepared, size_t input, const std::vector<int32_t> &dims)
{
    std::vector<size_t> least, most;
    if (!prepared.Range(input, least, most)) {
        return true;
    }
    if (dims.size() != least.size()) {
        return false;
    }
    for (size_t i = 0; i < dims.size(); i++) {
        if (dims[i] < 0 || static_cast<size_t>(dims[i]) < least[i] || static_cast<size_t>(dims[i]) > most[i]) {
            return false;
        }
    }
    return true;
}

bool Slots(NN_Tensor *tensors[], size_t count, std::vector<nnrt::Slot> &slots)
{
    for (size_t i = 0; i < count; i++) {
        const NN_Tensor &tensor = *tensors[i];
        slots.push_back({tensor.desc.type, tensor.desc.dims, tensor.data, tensor.size - tensor.offset});
        if (nnrt::Needed(tensor.desc) > slots[i].size) {
            return false;
        }
    }
    return true;
}

bool Complete(NN_Tensor *tensors[], size_t count, size_t wanted)
{
    if (tensors == nullptr || count != wanted || count == 0 || count > nnrt::MOST_OPERANDS) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (tensors[i] == nullptr) {
            return false;
        }
    }
    return true;
}

}

OH_NNExecutor *OH_NNExecutor_Construct(OH_NNCompilation *compilation)
{
    NNRT_CALL(nullptr);
    if (compilation == nullptr || compilation->prepared == nullptr) {
        return nullptr;
    }
    auto session = compilation->prepared->Open();
    auto *made = session == nullptr ? nullptr : new (std::nothrow) OH_NNExecutor;
    if (made == nullptr) {
        return nullptr;
    }
    made->prepared = compilation->prepared;
    made->session = std::move(session);
    made->device = compilation->device;
    made->inputs.resize(made->prepared->inputs.size());
    made->outputs.resize(made->prepared->outputs.size());
    made->least.resize(made->inputs.size());
    made->most.resize(made->inputs.size());
    for (const nnrt::Port &port : made->prepared->outputs) {
        made->outputDims.push_back(port.dims);
    }
    return made;
}

void OH_NNExecutor_Destroy(OH_NNExecutor **executor)
{
    if (executor != nullptr) {
        delete *executor;
        *executor = nullptr;
    }
}

OH_NN_ReturnCode OH_NNExecutor_GetOutputShape(OH_NNExecutor *executor, uint32_t outputIndex, int32_t **shape, uint32_t *shapeLength)
{
    NNRT_CALL_CODE();
    if (executor == nullptr || shape == nullptr || *shape != nullptr || shapeLength == nullptr || outputIndex >= executor->outputDims.size()) {
        return OH_NN_INVALID_PARAMETER;
    }
    *shape = executor->outputDims[outputIndex].data();
    *shapeLength = static_cast<uint32_t>(executor->outputDims[outputIndex].size());
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNExecutor_GetInputCount(const OH_NNExecutor *executor, size_t *inputCount)
{
    NNRT_CALL_CODE();
    if (executor == nullptr || inputCount == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    *inputCount = executor->prepared->inputs.size();
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNExecutor_GetOutputCount(const OH_NNExecutor *executor, size_t *outputCount)
{
    NNRT_CALL_CODE();
    if (executor == nullptr || outputCount == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    *outputCount = executor->prepared->outputs.size();
    return OH_NN_SUCCESS;
}

NN_TensorDesc *OH_NNExecutor_CreateInputTensorDesc(const OH_NNExecutor *executor, size_t index)
{
    NNRT_CALL(nullptr);
    return executor == nullptr || index >= executor->prepared->inputs.size() ? nullptr : Described(executor->prepared->inputs[index]);
}

NN_TensorDesc *OH_NNExecutor_CreateOutputTensorDesc(const OH_NNExecutor *executor, size_t index)
{
    NNRT_CALL(nullptr);
    return executor == nullptr || index >= executor->prepared->outputs.size() ? nullptr : Described(executor->prepared->outputs[index]);
}

OH_NN_ReturnCode OH_NNExecutor_GetInputDimRange(const OH_NNExecutor *executor, size_t index, size_t **minInputDims,
                                                size_t **maxInputDims, size_t *shapeLength)
{
    NNRT_CALL_CODE();
    if (executor == nullptr || minInputDims == nullptr || maxInputDims == nullptr || shapeLength == nullptr ||
        index >= executor->prepared->inputs.size()) {
        return OH_NN_INVALID_PARAMETER;
    }
    auto *owner = const_cast<OH_NNExecutor *>(executor);
    std::lock_guard<std::mutex> held(owner->lock);
    if (!executor->prepared->Range(index, owner->least[index], owner->most[index])) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    *minInputDims = owner->least[index].data();
    *maxInputDims = owner->most[index].data();
    *shapeLength = owner->least[index].size();
    return OH_NN_SUCCESS;
}

// No device behind the hardware interface runs asynchronously, so neither do these.
OH_NN_ReturnCode OH_NNExecutor_SetOnRunDone(OH_NNExecutor *executor, NN_OnRunDone onRunDone)
{
    NNRT_CALL_CODE();
    return executor == nullptr || onRunDone == nullptr ? OH_NN_INVALID_PARAMETER : OH_NN_OPERATION_FORBIDDEN;
}

OH_NN_ReturnCode OH_NNExecutor_SetOnServiceDied(OH_NNExecutor *executor, NN_OnServiceDied onServiceDied)
{
    NNRT_CALL_CODE();
    return executor == nullptr || onServiceDied == nullptr ? OH_NN_INVALID_PARAMETER : OH_NN_OPERATION_FORBIDDEN;
}

OH_NN_ReturnCode OH_NNExecutor_RunSync(OH_NNExecutor *executor, NN_Tensor *inputTensor[], size_t inputCount, NN_Tensor *outputTensor[],
                                       size_t outputCount)
{
    NNRT_CALL_CODE();
    const uint64_t began = nnrt::Now();
    if (executor == nullptr || !Complete(inputTensor, inputCount, executor->prepared->inputs.size()) ||
        !Complete(outputTensor, outputCount, executor->prepared->outputs.size())) {
        return OH_NN_INVALID_PARAMETER;
    }
    for (size_t i = 0; i < inputCount; i++) {
        if (!Within(*executor->prepared, i, inputTensor[i]->desc.dims)) {
            return OH_NN_INVALID_PARAMETER;
        }
    }
    std::vector<nnrt::Slot> inputs, outputs;
    if (!Slots(inputTensor, inputCount, inputs) || !Slots(outputTensor, outputCount, outputs)) {
        return OH_NN_FAILED;
    }
    std::lock_guard<std::mutex> held(executor->lock);
    const OH_NN_ReturnCode code = nnrt::RunLocked(*executor, inputs, outputs);
    for (size_t i = 0; code == OH_NN_SUCCESS && i < outputCount; i++) {
        outputTensor[i]->desc.dims = outputs[i].dims;
    }
    nnrt::CountCall(nnrt::Now() - began);
    return code;
}

OH_NN_ReturnCode OH_NNExecutor_RunAsync(OH_NNExecutor *executor, NN_Tensor *inputTensor[], size_t inputCount, NN_Tensor *outputTensor[],
                                        size_t outputCount, int32_t, void *userData)
{
    NNRT_CALL_CODE();
    if (executor == nullptr || userData == nullptr || !Complete(inputTensor, inputCount, executor->prepared->inputs.size()) ||
        !Complete(outputTensor, outputCount, executor->prepared->outputs.size())) {
        return OH_NN_INVALID_PARAMETER;
    }
    return OH_NN_OPERATION_FORBIDDEN;
}
