// SPDX-License-Identifier: Apache-2.0
// Compilations: made, set up and destroyed. The setters only store; Build checks, as in the real library.
#include "compilation.h"

#include <new>

namespace {

OH_NNCompilation *Made()
{
    return new (std::nothrow) OH_NNCompilation;
}

// What the header forbids after Build; the real library lets it pass.
bool Late(const OH_NNCompilation *compilation)
{
    return compilation->tried && nnrt::TheSettings().strict;
}

// What the header refuses at the setter already, and the real library at Build only.
bool Lacks(const OH_NNCompilation *compilation, bool (nnrt::Device::*has)() const)
{
    const nnrt::Device *device = nnrt::TheSettings().strict ? nnrt::FindDevice(compilation->device) : nullptr;
    return device != nullptr && !(device->*has)();
}

// The names that the real library reads; it ignores all others.
bool Read(const std::string &name)
{
    return name == "ModelName" || name == "NPU_FM_SHARED" || name == "isExceedRamLimit";
}

}

OH_NNCompilation *OH_NNCompilation_Construct(const OH_NNModel *model)
{
    NNRT_CALL(nullptr);
    OH_NNCompilation *made = model == nullptr ? nullptr : Made();
    if (made != nullptr) {
        made->model = model;
    }
    return made;
}

OH_NNCompilation *OH_NNCompilation_ConstructWithOfflineModelFile(const char *modelPath)
{
    NNRT_CALL(nullptr);
    OH_NNCompilation *made = modelPath == nullptr ? nullptr : Made();
    if (made != nullptr) {
        made->offline = true;
    }
    return made;
}

OH_NNCompilation *OH_NNCompilation_ConstructWithOfflineModelBuffer(const void *modelBuffer, size_t modelSize)
{
    NNRT_CALL(nullptr);
    OH_NNCompilation *made = modelBuffer == nullptr || modelSize == 0 ? nullptr : Made();
    if (made != nullptr) {
        made->offline = true;
    }
    return made;
}

OH_NNCompilation *OH_NNCompilation_ConstructForCache(void)
{
    NNRT_CALL(nullptr);
    OH_NNCompilation *made = Made();
    if (made != nullptr) {
        made->fromCache = true;
    }
    return made;
}

void OH_NNCompilation_Destroy(OH_NNCompilation **compilation)
{
    if (compilation != nullptr) {
        delete *compilation;
        *compilation = nullptr;
    }
}

OH_NN_ReturnCode OH_NNCompilation_SetDevice(OH_NNCompilation *compilation, size_t deviceID)
{
    NNRT_CALL_CODE();
    if (compilation == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (Late(compilation)) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    compilation->device = deviceID;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNCompilation_SetCache(OH_NNCompilation *compilation, const char *cachePath, uint32_t version)
{
    NNRT_CALL_CODE();
    if (compilation == nullptr || cachePath == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (Late(compilation)) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    if (Lacks(compilation, &nnrt::Device::HasCache)) {
        return OH_NN_UNAVALIDABLE_DEVICE;
    }
    compilation->cachePath = cachePath;
    compilation->cacheVersion = version;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNCompilation_SetPerformanceMode(OH_NNCompilation *compilation, OH_NN_PerformanceMode performanceMode)
{
    NNRT_CALL_CODE();
    if (compilation == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (Late(compilation)) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    if (performanceMode != OH_NN_PERFORMANCE_NONE && Lacks(compilation, &nnrt::Device::HasPerformance)) {
        return OH_NN_UNAVALIDABLE_DEVICE;
    }
    compilation->options.performance = performanceMode;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNCompilation_SetPriority(OH_NNCompilation *compilation, OH_NN_Priority priority)
{
    NNRT_CALL_CODE();
    if (compilation == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (Late(compilation)) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    if (priority != OH_NN_PRIORITY_NONE && Lacks(compilation, &nnrt::Device::HasPriority)) {
        return OH_NN_UNAVALIDABLE_DEVICE;
    }
    compilation->options.priority = priority;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNCompilation_EnableFloat16(OH_NNCompilation *compilation, bool enableFloat16)
{
    NNRT_CALL_CODE();
    if (compilation == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (Late(compilation)) {
        return OH_NN_OPERATION_FORBIDDEN;
    }
    if (enableFloat16 && Lacks(compilation, &nnrt::Device::HasFloat16)) {
        return OH_NN_UNAVALIDABLE_DEVICE;
    }
    compilation->options.float16 = enableFloat16;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNCompilation_AddExtensionConfig(OH_NNCompilation *compilation, const char *configName, const void *configValue,
                                                     const size_t configValueSize)
{
    NNRT_CALL_CODE();
    if (compilation == nullptr || configName == nullptr || *configName == '\0' || configValue == nullptr || configValueSize == 0) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (nnrt::TheSettings().strict && !Read(configName)) {
        return OH_NN_FAILED;
    }
    std::string value(static_cast<const char *>(configValue), configValueSize);
    std::string &kept = compilation->config[configName];
    kept = kept.empty() ? value : kept + "|" + value;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNCompilation_ExportCacheToBuffer(OH_NNCompilation *compilation, const void *buffer, size_t length, size_t *modelSize)
{
    NNRT_CALL_CODE();
    if (compilation == nullptr || buffer == nullptr || length == 0 || modelSize == nullptr || compilation->prepared == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    return OH_NN_UNSUPPORTED;       // what every device behind the hardware interface says
}

OH_NN_ReturnCode OH_NNCompilation_ImportCacheFromBuffer(OH_NNCompilation *compilation, const void *buffer, size_t modelSize)
{
    NNRT_CALL_CODE();
    if (compilation == nullptr || buffer == nullptr || modelSize == 0) {
        return OH_NN_INVALID_PARAMETER;
    }
    compilation->imported = true;
    return OH_NN_SUCCESS;
}
