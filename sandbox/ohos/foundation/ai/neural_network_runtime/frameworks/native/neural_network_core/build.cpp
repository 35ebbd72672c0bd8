// SPDX-License-Identifier: Apache-2.0
// Build: the checks in the order of the real library, the cache if one was named, then the device's own work.
#include "compilation.h"

#include <sys/stat.h>

namespace {

using nnrt::Found;

bool IsFolder(const char *path)
{
    struct stat there{};
    return stat(path, &there) == 0 && S_ISDIR(there.st_mode);
}

OH_NN_ReturnCode Asked(const OH_NNCompilation &compilation, const nnrt::Device &device)
{
    const nnrt::Options &options = compilation.options;
    if (static_cast<uint32_t>(options.performance) > OH_NN_PERFORMANCE_EXTREME || static_cast<uint32_t>(options.priority) > OH_NN_PRIORITY_HIGH) {
        return OH_NN_INVALID_PARAMETER;
    }
    const bool can = (device.HasFloat16() || !options.float16) &&
                     (device.HasPerformance() || options.performance == OH_NN_PERFORMANCE_NONE) &&
                     (device.HasPriority() || options.priority == OH_NN_PRIORITY_NONE) &&
                     (device.HasCache() || compilation.cachePath == nullptr);
    return can ? OH_NN_SUCCESS : OH_NN_OPERATION_FORBIDDEN;
}

OH_NN_ReturnCode Prepare(OH_NNCompilation &compilation, nnrt::Device &device, const nnrt::Graph &graph)
{
    for (const nnrt::Node &node : graph.nodes) {
        if (!device.Supports(graph, node)) {
            return OH_NN_FAILED;
        }
    }
    uint64_t bytes = 0;
    for (const nnrt::Tensor &tensor : graph.tensors) {
        bytes += tensor.role == OH_NN_TENSOR && tensor.data != nullptr ? tensor.data->size() : 0;
    }
    const uint64_t began = nnrt::Now();
    compilation.prepared = device.Prepare(graph, compilation.options);
    nnrt::CountCompile(nnrt::Now() - began, bytes);
    return compilation.prepared == nullptr ? OH_NN_FAILED : OH_NN_SUCCESS;
}

OH_NN_ReturnCode Compile(OH_NNCompilation &compilation, nnrt::Device &device)
{
    const OH_NNModel *model = compilation.model;
    if (model == nullptr || !model->finished) {
        return OH_NN_INVALID_PARAMETER;
    }
    return Prepare(compilation, device, *model->graph);
}

OH_NN_ReturnCode Restore(OH_NNCompilation &compilation, nnrt::Device &device, const nnrt::CachePlace &place)
{
    const std::shared_ptr<nnrt::Graph> graph = nnrt::LoadCache(place);
    return graph == nullptr ? OH_NN_FAILED : Prepare(compilation, device, *graph);
}

OH_NN_ReturnCode CompileAndKeep(OH_NNCompilation &compilation, nnrt::Device &device, const nnrt::CachePlace &place)
{
    const OH_NN_ReturnCode code = Compile(compilation, device);
    if (code != OH_NN_SUCCESS) {
        return code;
    }
    if (!nnrt::SaveCache(place, *compilation.model->graph)) {
        compilation.prepared = nullptr;
        return OH_NN_INVALID_PARAMETER;
    }
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode WithCache(OH_NNCompilation &compilation, nnrt::Device &device)
{
    const bool strict = nnrt::TheSettings().strict;
    if (strict && !IsFolder(compilation.cachePath)) {
        return OH_NN_INVALID_PATH;
    }
    const auto name = compilation.config.find("ModelName");
    const std::string base = std::string(compilation.cachePath) + "/" + (name == compilation.config.end() ? "" : name->second);
    const nnrt::CachePlace place{base + "cache_info.nncache", base + "0.nncache", compilation.cacheVersion, device.id};
    const Found found = nnrt::LookAtCache(place);
    if (compilation.fromCache) {
        return found == Found::SAME ? Restore(compilation, device, place) : OH_NN_INVALID_PARAMETER;
    }
    switch (found) {
        case Found::NEWER:
            return OH_NN_OPERATION_FORBIDDEN;
        case Found::SAME:
            if (Restore(compilation, device, place) == OH_NN_SUCCESS) {      // whatever the model says now: it is not compared
                return OH_NN_SUCCESS;
            }
            break;
        case Found::CORRUPT:
            if (strict) {
                return OH_NN_INVALID_FILE;
            }
            remove(place.info.c_str());
            break;
        default:
            break;
    }
    return CompileAndKeep(compilation, device, place);
}

}

OH_NN_ReturnCode OH_NNCompilation_Build(OH_NNCompilation *compilation)
{
    NNRT_CALL_CODE();
    if (compilation == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    if (compilation->tried) {
        return nnrt::TheSettings().strict ? OH_NN_OPERATION_FORBIDDEN : OH_NN_INVALID_PARAMETER;
    }
    compilation->tried = true;
    nnrt::Device *device = nnrt::FindDevice(compilation->device);
    if (device == nullptr || compilation->offline || compilation->imported) {
        return OH_NN_FAILED;
    }
    const OH_NN_ReturnCode code = Asked(*compilation, *device);
    if (code != OH_NN_SUCCESS) {
        return code;
    }
    compilation->device = device->id;
    return compilation->cachePath == nullptr ? Compile(*compilation, *device) : WithCache(*compilation, *device);
}
