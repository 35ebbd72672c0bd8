// SPDX-License-Identifier: Apache-2.0
// Runs as up to API 10: data by index, copied in and out, or in memory that the executor gave.
#include "inner/handles.h"
#include "inner/sizes.h"

#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using Memories = std::multimap<uint32_t, OH_NN_Memory *>;

OH_NN_Memory *Make(OH_NNExecutor &executor, size_t length)
{
    nnrt::Device *device = nnrt::FindDevice(executor.device);
    const int fd = device == nullptr || length == 0 || length > nnrt::MOST_SHARED_BYTES ? -1 : device->Allocate(length);
    if (fd < 0) {
        return nullptr;
    }
    void *data = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (data == MAP_FAILED) {
        return nullptr;
    }
    auto *made = new (std::nothrow) OH_NN_Memory{data, length};
    if (made == nullptr) {
        munmap(data, length);
    }
    return made;
}

OH_NN_Memory *Allocate(OH_NNExecutor *executor, Memories OH_NNExecutor::*made, size_t count, uint32_t index, size_t length)
{
    if (executor == nullptr || index >= count) {
        return nullptr;
    }
    OH_NN_Memory *memory = Make(*executor, length);
    if (memory != nullptr) {
        std::lock_guard<std::mutex> held(executor->lock);
        (executor->*made).emplace(index, memory);
    }
    return memory;
}

Memories::iterator Find(Memories &made, uint32_t index, const OH_NN_Memory *memory)
{
    auto range = made.equal_range(index);
    for (auto at = range.first; at != range.second; ++at) {
        if (at->second == memory) {
            return at;
        }
    }
    return made.end();
}

// Memory with another index, or of another executor, is left alone.
void Destroy(OH_NNExecutor *executor, Memories OH_NNExecutor::*made, std::vector<Place> OH_NNExecutor::*places, uint32_t index,
             OH_NN_Memory **memory)
{
    if (executor == nullptr || memory == nullptr || *memory == nullptr) {
        return;
    }
    std::lock_guard<std::mutex> held(executor->lock);
    const auto at = Find(executor->*made, index, *memory);
    if (at == (executor->*made).end()) {
        return;
    }
    Place &place = (executor->*places)[index];
    if (place.data == (*memory)->data) {
        place = Place();
    }
    nnrt::FreeMemory(*memory);
    (executor->*made).erase(at);
    *memory = nullptr;
}

// The real dims of an input, if the tensor is what the model declares; -1 there takes any.
bool Matches(const nnrt::Port &port, const OH_NN_Tensor &tensor, std::vector<int32_t> &dims, size_t &bytes)
{
    if (tensor.dataType != port.type || tensor.dimensionCount != port.dims.size() || (tensor.dimensions == nullptr && tensor.dimensionCount != 0)) {
        return false;
    }
    for (size_t i = 0; i < port.dims.size(); i++) {
        if (tensor.dimensions[i] <= 0 || (port.dims[i] != -1 && port.dims[i] != tensor.dimensions[i])) {
            return false;
        }
        dims.push_back(tensor.dimensions[i]);
    }
    uint64_t count = 0;
    const size_t each = nnrt::SizeOf(port.type);
    if (each == 0 || nnrt::Elements(dims, count) != nnrt::Count::EXACT || count > nnrt::MOST_SHARED_BYTES / each) {
        return false;
    }
    bytes = static_cast<size_t>(count) * each;
    return true;
}

bool LargeEnough(const nnrt::Port &port, size_t length)
{
    uint64_t count = 0;
    const nnrt::Count how = nnrt::Elements(port.dims, count);
    return how == nnrt::Count::OPEN || (how == nnrt::Count::EXACT && length / nnrt::SizeOf(port.type) >= count);
}

bool Gather(const std::vector<nnrt::Port> &ports, const std::vector<Place> &places, std::vector<nnrt::Slot> &slots)
{
    for (size_t i = 0; i < ports.size(); i++) {
        if (!places[i].set) {
            return false;
        }
        slots.push_back({ports[i].type, places[i].dims.empty() ? ports[i].dims : places[i].dims, places[i].data, places[i].size});
    }
    return true;
}

}

OH_NN_ReturnCode OH_NNExecutor_SetInput(OH_NNExecutor *executor, uint32_t inputIndex, const OH_NN_Tensor *tensor, const void *dataBuffer,
                                        size_t length)
{
    NNRT_CALL_CODE();
    if (executor == nullptr || tensor == nullptr || dataBuffer == nullptr || inputIndex >= executor->inputs.size()) {
        return OH_NN_INVALID_PARAMETER;
    }
    Place place;
    size_t bytes = 0;
    if (!Matches(executor->prepared->inputs[inputIndex], *tensor, place.dims, bytes) || length < bytes) {
        return OH_NN_INVALID_PARAMETER;
    }
    std::lock_guard<std::mutex> held(executor->lock);
    Place &kept = executor->inputs[inputIndex];
    place.own = kept.own != nullptr && kept.own->size() == bytes ? kept.own : std::make_shared<nnrt::Bytes>(bytes);
    if (place.own->size() != bytes) {
        return OH_NN_MEMORY_ERROR;
    }
    memcpy(place.own->data(), dataBuffer, bytes);
    place.set = true;
    place.data = place.own->data();
    place.size = bytes;
    kept = std::move(place);
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNExecutor_SetOutput(OH_NNExecutor *executor, uint32_t outputIndex, void *dataBuffer, size_t length)
{
    NNRT_CALL_CODE();
    if (executor == nullptr || dataBuffer == nullptr || length == 0 || outputIndex >= executor->outputs.size() ||
        !LargeEnough(executor->prepared->outputs[outputIndex], length)) {
        return OH_NN_INVALID_PARAMETER;
    }
    std::lock_guard<std::mutex> held(executor->lock);
    executor->outputs[outputIndex] = {true, {}, dataBuffer, length, nullptr};
    return OH_NN_SUCCESS;
}

OH_NN_Memory *OH_NNExecutor_AllocateInputMemory(OH_NNExecutor *executor, uint32_t inputIndex, size_t length)
{
    NNRT_CALL(nullptr);
    return Allocate(executor, &OH_NNExecutor::inputMemory, executor == nullptr ? 0 : executor->inputs.size(), inputIndex, length);
}

OH_NN_Memory *OH_NNExecutor_AllocateOutputMemory(OH_NNExecutor *executor, uint32_t outputIndex, size_t length)
{
    NNRT_CALL(nullptr);
    return Allocate(executor, &OH_NNExecutor::outputMemory, executor == nullptr ? 0 : executor->outputs.size(), outputIndex, length);
}

void OH_NNExecutor_DestroyInputMemory(OH_NNExecutor *executor, uint32_t inputIndex, OH_NN_Memory **memory)
{
    Destroy(executor, &OH_NNExecutor::inputMemory, &OH_NNExecutor::inputs, inputIndex, memory);
}

void OH_NNExecutor_DestroyOutputMemory(OH_NNExecutor *executor, uint32_t outputIndex, OH_NN_Memory **memory)
{
    Destroy(executor, &OH_NNExecutor::outputMemory, &OH_NNExecutor::outputs, outputIndex, memory);
}

OH_NN_ReturnCode OH_NNExecutor_SetInputWithMemory(OH_NNExecutor *executor, uint32_t inputIndex, const OH_NN_Tensor *tensor,
                                                  const OH_NN_Memory *memory)
{
    NNRT_CALL_CODE();
    if (executor == nullptr || tensor == nullptr || memory == nullptr || inputIndex >= executor->inputs.size()) {
        return OH_NN_INVALID_PARAMETER;
    }
    Place place;
    size_t bytes = 0;
    std::lock_guard<std::mutex> held(executor->lock);
    if (Find(executor->inputMemory, inputIndex, memory) == executor->inputMemory.end() ||
        !Matches(executor->prepared->inputs[inputIndex], *tensor, place.dims, bytes) || memory->length < bytes) {
        return OH_NN_INVALID_PARAMETER;
    }
    place.set = true;
    place.data = memory->data;
    place.size = memory->length;
    executor->inputs[inputIndex] = std::move(place);
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNExecutor_SetOutputWithMemory(OH_NNExecutor *executor, uint32_t outputIndex, const OH_NN_Memory *memory)
{
    NNRT_CALL_CODE();
    if (executor == nullptr || memory == nullptr || outputIndex >= executor->outputs.size()) {
        return OH_NN_INVALID_PARAMETER;
    }
    std::lock_guard<std::mutex> held(executor->lock);
    if (Find(executor->outputMemory, outputIndex, memory) == executor->outputMemory.end() ||
        !LargeEnough(executor->prepared->outputs[outputIndex], memory->length)) {
        return OH_NN_INVALID_PARAMETER;
    }
    executor->outputs[outputIndex] = {true, {}, memory->data, memory->length, nullptr};
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNExecutor_Run(OH_NNExecutor *executor)
{
    NNRT_CALL_CODE();
    const uint64_t began = nnrt::Now();
    if (executor == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    std::lock_guard<std::mutex> held(executor->lock);
    std::vector<nnrt::Slot> inputs, outputs;
    if (!Gather(executor->prepared->inputs, executor->inputs, inputs) || !Gather(executor->prepared->outputs, executor->outputs, outputs)) {
        return OH_NN_INVALID_PARAMETER;
    }
    const OH_NN_ReturnCode code = nnrt::RunLocked(*executor, inputs, outputs);
    nnrt::CountCall(nnrt::Now() - began);
    return code;
}
