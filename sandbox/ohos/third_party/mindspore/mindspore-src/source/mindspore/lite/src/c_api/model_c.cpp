// SPDX-License-Identifier: Apache-2.0
// Models: built from bytes or a file, resized, run on the processor. Tensors that are handed out are the model's own.
#include "model_c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"

// context_c.cpp
bool HasProcessor(const OH_AI_ContextHandle context);

namespace {
struct Model {
    Graph graph;
    OH_AI_TensorHandle lists[2][MOST_TENSORS];    // what GetInputs and GetOutputs hand out
    bool built;
};

OH_AI_TensorHandleArray Listed(const OH_AI_ModelHandle handle, bool outputs)
{
    Model *model = static_cast<Model *>(handle);
    if (model == nullptr || !model->built) {
        return OH_AI_TensorHandleArray{0, nullptr};
    }
    const size_t count = outputs ? model->graph.output_count : model->graph.input_count;
    OH_AI_TensorHandle *list = model->lists[outputs ? 1 : 0];
    for (size_t i = 0; i < count; i++) {
        list[i] = outputs ? model->graph.outputs[i] : model->graph.inputs[i];
    }
    return OH_AI_TensorHandleArray{count, list};
}

OH_AI_TensorHandle Named(const OH_AI_TensorHandleArray &list, const char *name)
{
    for (size_t i = 0; name != nullptr && i < list.handle_num; i++) {
        if (strcmp(OH_AI_TensorGetName(list.handle_list[i]), name) == 0) {
            return list.handle_list[i];
        }
    }
    return nullptr;
}

bool Asked(const OH_AI_KernelCallBack ask, Graph *graph, const Node &node)
{
    OH_AI_TensorHandle inputs[MOST_INPUTS], output = &graph->tensors[node.output];
    for (size_t i = 0; i < node.input_count; i++) {
        inputs[i] = &graph->tensors[node.inputs[i]];
    }
    const OH_AI_CallBackParam told{node.name, const_cast<char *>(KindName(node.kind))};
    return ask == nullptr || ask({node.input_count, inputs}, {1, &output}, told);
}

OH_AI_Status TakeInputs(Graph *graph, const OH_AI_TensorHandleArray &inputs)
{
    if (inputs.handle_num != graph->input_count || inputs.handle_list == nullptr) {
        return OH_AI_STATUS_LITE_INPUT_PARAM_INVALID;
    }
    for (size_t i = 0; i < inputs.handle_num; i++) {
        Tensor *own = graph->inputs[i], *given = static_cast<Tensor *>(inputs.handle_list[i]);
        uint64_t wanted = 0, bytes = 0;
        if (given == nullptr || given->data == nullptr || given->type != own->type || !Bytes(*own, &wanted) ||
            !Bytes(*given, &bytes) || bytes != wanted) {
            return OH_AI_STATUS_LITE_INPUT_TENSOR_ERROR;
        }
        if (given != own) {
            if (own->data == nullptr && !Allocate(own)) {
                return OH_AI_STATUS_LITE_MEMORY_FAILED;
            }
            memcpy(own->data, given->data, bytes);
        }
    }
    return OH_AI_STATUS_SUCCESS;
}
}

OH_AI_ModelHandle OH_AI_ModelCreate(void)
{
    return calloc(1, sizeof(Model));
}

void OH_AI_ModelDestroy(OH_AI_ModelHandle *model)
{
    if (model != nullptr && *model != nullptr) {
        FreeGraph(&static_cast<Model *>(*model)->graph);
        free(*model);
        *model = nullptr;
    }
}

OH_AI_Status OH_AI_ModelBuild(OH_AI_ModelHandle model, const void *model_data, size_t data_size, OH_AI_ModelType model_type,
    const OH_AI_ContextHandle model_context)
{
    if (model == nullptr || model_data == nullptr || model_context == nullptr) {
        return OH_AI_STATUS_LITE_NULLPTR;
    }
    Model *made = static_cast<Model *>(model);
    if (model_type != OH_AI_MODELTYPE_MINDIR || made->built) {
        return OH_AI_STATUS_LITE_PARAM_INVALID;
    }
    if (!HasProcessor(model_context)) {
        return OH_AI_STATUS_LITE_NOT_SUPPORT;
    }
    const OH_AI_Status status = ReadGraph(model_data, data_size, &made->graph);
    made->built = status == OH_AI_STATUS_SUCCESS;
    return status;
}

OH_AI_Status OH_AI_ModelBuildFromFile(OH_AI_ModelHandle model, const char *model_path, OH_AI_ModelType model_type,
    const OH_AI_ContextHandle model_context)
{
    if (model == nullptr || model_path == nullptr || model_context == nullptr) {
        return OH_AI_STATUS_LITE_NULLPTR;
    }
    FILE *file = fopen(model_path, "rb");
    if (file == nullptr) {
        return OH_AI_STATUS_LITE_PARAM_INVALID;
    }
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    rewind(file);
    OH_AI_Status status = OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
    if (size > 0 && static_cast<uint64_t>(size) <= MOST_BYTES) {
        void *data = malloc(static_cast<size_t>(size));
        status = data == nullptr ? OH_AI_STATUS_LITE_MEMORY_FAILED : status;
        if (data != nullptr && fread(data, 1, static_cast<size_t>(size), file) == static_cast<size_t>(size)) {
            status = OH_AI_ModelBuild(model, data, static_cast<size_t>(size), model_type, model_context);
        }
        free(data);
    }
    fclose(file);
    return status;
}

OH_AI_Status OH_AI_ModelResize(OH_AI_ModelHandle model, const OH_AI_TensorHandleArray inputs, OH_AI_ShapeInfo *shape_infos,
    size_t shape_info_num)
{
    Model *own = static_cast<Model *>(model);
    if (own == nullptr || !own->built || shape_infos == nullptr) {
        return OH_AI_STATUS_LITE_NULLPTR;
    }
    if (inputs.handle_num != own->graph.input_count || shape_info_num != inputs.handle_num) {
        return OH_AI_STATUS_LITE_INPUT_PARAM_INVALID;
    }
    for (size_t i = 0; i < shape_info_num; i++) {
        if (shape_infos[i].shape_num > MOST_DIMS) {
            return OH_AI_STATUS_LITE_PARAM_INVALID;
        }
    }
    for (size_t i = 0; i < shape_info_num; i++) {
        OH_AI_TensorSetShape(own->graph.inputs[i], shape_infos[i].shape, shape_infos[i].shape_num);
    }
    for (size_t i = 0; i < own->graph.node_count; i++) {
        OH_AI_TensorSetData(&own->graph.tensors[own->graph.nodes[i].output], nullptr);    // of the old size
    }
    return InferShapes(&own->graph);
}

OH_AI_Status OH_AI_ModelPredict(OH_AI_ModelHandle model, const OH_AI_TensorHandleArray inputs, OH_AI_TensorHandleArray *outputs,
    const OH_AI_KernelCallBack before, const OH_AI_KernelCallBack after)
{
    Model *own = static_cast<Model *>(model);
    if (own == nullptr || !own->built || outputs == nullptr) {
        return OH_AI_STATUS_LITE_NULLPTR;
    }
    OH_AI_Status status = InferShapes(&own->graph);    // again: who holds an input's handle may have changed its shape
    if (status == OH_AI_STATUS_SUCCESS && !own->graph.inferred) {
        return OH_AI_STATUS_LITE_INFER_INVALID;    // an open dimension: Resize first
    }
    status = status == OH_AI_STATUS_SUCCESS ? TakeInputs(&own->graph, inputs) : status;
    for (size_t i = 0; i < own->graph.node_count && status == OH_AI_STATUS_SUCCESS; i++) {
        const Node &node = own->graph.nodes[i];
        if (!Allocate(&own->graph.tensors[node.output])) {
            return OH_AI_STATUS_LITE_MEMORY_FAILED;
        }
        if (!Asked(before, &own->graph, node)) {
            return OH_AI_STATUS_LITE_ERROR;
        }
        status = Compute(&own->graph, node);
        if (status == OH_AI_STATUS_SUCCESS && !Asked(after, &own->graph, node)) {
            return OH_AI_STATUS_LITE_ERROR;
        }
    }
    if (status == OH_AI_STATUS_SUCCESS) {
        *outputs = Listed(model, true);
    }
    return status;
}

OH_AI_TensorHandleArray OH_AI_ModelGetInputs(const OH_AI_ModelHandle model)
{
    return Listed(model, false);
}

OH_AI_TensorHandleArray OH_AI_ModelGetOutputs(const OH_AI_ModelHandle model)
{
    return Listed(model, true);
}

OH_AI_TensorHandle OH_AI_ModelGetInputByTensorName(const OH_AI_ModelHandle model, const char *tensor_name)
{
    return Named(Listed(model, false), tensor_name);
}

OH_AI_TensorHandle OH_AI_ModelGetOutputByTensorName(const OH_AI_ModelHandle model, const char *tensor_name)
{
    return Named(Listed(model, true), tensor_name);
}

OH_AI_Status OH_AI_ModelLoadConfig(OH_AI_ModelHandle, const char *)
{
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}

OH_AI_Status OH_AI_ModelPredictWithConfig(OH_AI_ModelHandle, const OH_AI_TensorHandleArray, OH_AI_TensorHandleArray *, const char *,
    const OH_AI_KernelCallBack, const OH_AI_KernelCallBack)
{
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}
