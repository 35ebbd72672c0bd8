// SPDX-License-Identifier: Apache-2.0
#include "executor.h"

#include <cstring>

namespace ggml_nnrt {

static constexpr uint32_t CACHE_FORMAT = 1;

static bool said(OH_NN_ReturnCode code, const char * function, std::string & why) {
    if (code != OH_NN_SUCCESS) {
        why = std::string(function) + " gave " + std::to_string(static_cast<int>(code));
    }
    return code == OH_NN_SUCCESS;
}

static bool set_up(OH_NNCompilation * compilation, size_t device, const kept & cache, std::string & why) {
    if (!said(nn().OH_NNCompilation_SetDevice(compilation, device), "OH_NNCompilation_SetDevice", why)) {
        return false;
    }
    // Without a name for its files two units of one folder would overwrite each other; API 9 knows none, so it gets no cache.
    if (!cache.folder.empty() && has_tensors()) {
        return said(nn().OH_NNCompilation_AddExtensionConfig(compilation, "ModelName", cache.name.c_str(), cache.name.size() + 1),
                    "OH_NNCompilation_AddExtensionConfig", why) &&
               said(nn().OH_NNCompilation_SetCache(compilation, cache.folder.c_str(), CACHE_FORMAT), "OH_NNCompilation_SetCache", why);
    }
    return true;
}

static OH_NNExecutor * compile(const OH_NNModel * model, size_t device, const kept & cache, std::string & why) {
    OH_NNCompilation * compilation = nn().OH_NNCompilation_Construct(model);
    if (!compilation) {
        why = "OH_NNCompilation_Construct gave nothing";
        return nullptr;
    }
    OH_NNExecutor * made = nullptr;
    if (set_up(compilation, device, cache, why) && said(nn().OH_NNCompilation_Build(compilation), "OH_NNCompilation_Build", why)) {
        made = nn().OH_NNExecutor_Construct(compilation);
        if (!made) {
            why = "OH_NNExecutor_Construct gave nothing";
        }
    }
    nn().OH_NNCompilation_Destroy(&compilation);
    return made;
}

// A folder that is gone, files of another format or a device that keeps nothing make Build fail; a unit needs none of them.
std::unique_ptr<executor> executor::make(const OH_NNModel * model, size_t device, const kept & cache, const shapes & inputs,
                                         const shapes & outputs, std::string & why) {
    std::unique_ptr<executor> made(new executor());
    made->made = compile(model, device, cache, why);
    if (!made->made && !cache.folder.empty()) {
        made->made = compile(model, device, {}, why);
    }
    if (!made->made || !made->open(device, inputs, outputs, why)) {
        return nullptr;
    }
    return made;
}

executor::~executor() {
    for (size_t i = 0; i < in.size(); i++) {
        if (in[i].tensor) {
            nn().OH_NNTensor_Destroy(&in[i].tensor);
        }
        if (in[i].memory) {
            nn().OH_NNExecutor_DestroyInputMemory(made, static_cast<uint32_t>(i), &in[i].memory);
        }
    }
    for (size_t i = 0; i < out.size(); i++) {
        if (out[i].tensor) {
            nn().OH_NNTensor_Destroy(&out[i].tensor);
        }
        if (out[i].memory) {
            nn().OH_NNExecutor_DestroyOutputMemory(made, static_cast<uint32_t>(i), &out[i].memory);
        }
    }
    if (made) {
        nn().OH_NNExecutor_Destroy(&made);
    }
}

bool executor::open(size_t device, const shapes & inputs, const shapes & outputs, std::string & why) {
    in.resize(inputs.size());
    out.resize(outputs.size());
    for (size_t i = 0; i < in.size(); i++) {
        if (!(has_tensors() ? tensor(device, i, inputs[i], false, in[i], why) : memory(i, inputs[i], false, in[i], why))) {
            return false;
        }
        in_tensors.push_back(in[i].tensor);
    }
    for (size_t i = 0; i < out.size(); i++) {
        if (!(has_tensors() ? tensor(device, i, outputs[i], true, out[i], why) : memory(i, outputs[i], true, out[i], why))) {
            return false;
        }
        out_tensors.push_back(out[i].tensor);
    }
    return true;
}

// From the executor's own description: a driver may refuse a tensor whose format is not the model's.
bool executor::tensor(size_t device, size_t index, const shape & wanted, bool output, slot & slot, std::string & why) {
    NN_TensorDesc * desc = output ? nn().OH_NNExecutor_CreateOutputTensorDesc(made, index) : nn().OH_NNExecutor_CreateInputTensorDesc(made, index);
    if (!desc) {
        why = "no description of a tensor of the executor";
        return false;
    }
    slot.tensor = nn().OH_NNTensor_Create(device, desc);
    nn().OH_NNTensorDesc_Destroy(&desc);
    size_t size = 0;
    if (!slot.tensor || !(slot.data = nn().OH_NNTensor_GetDataBuffer(slot.tensor)) ||
        nn().OH_NNTensor_GetSize(slot.tensor, &size) != OH_NN_SUCCESS || size < wanted.bytes()) {
        why = "no memory for a tensor of the device";
        return false;
    }
    std::memset(slot.data, 0, wanted.bytes());
    return true;
}

bool executor::memory(size_t index, const shape & wanted, bool output, slot & slot, std::string & why) {
    const uint32_t     at     = static_cast<uint32_t>(index);
    const int32_t      dims[] = { static_cast<int32_t>(wanted.rows), static_cast<int32_t>(wanted.columns) };
    const OH_NN_Tensor like   = { wanted.type, 2, dims, nullptr, OH_NN_TENSOR };
    slot.memory = output ? nn().OH_NNExecutor_AllocateOutputMemory(made, at, wanted.bytes())
                         : nn().OH_NNExecutor_AllocateInputMemory(made, at, wanted.bytes());
    if (!slot.memory || !slot.memory->data) {
        why = "no memory for a tensor of the device";
        return false;
    }
    slot.data = slot.memory->data;
    std::memset(slot.data, 0, wanted.bytes());
    return output ? said(nn().OH_NNExecutor_SetOutputWithMemory(made, at, slot.memory), "OH_NNExecutor_SetOutputWithMemory", why)
                  : said(nn().OH_NNExecutor_SetInputWithMemory(made, at, &like, slot.memory), "OH_NNExecutor_SetInputWithMemory", why);
}

bool executor::run() {
    const OH_NN_ReturnCode code =
        has_tensors() ? nn().OH_NNExecutor_RunSync(made, in_tensors.data(), in_tensors.size(), out_tensors.data(), out_tensors.size())
                      : nn().OH_NNExecutor_Run(made);
    return code == OH_NN_SUCCESS;
}

}  // namespace ggml_nnrt
