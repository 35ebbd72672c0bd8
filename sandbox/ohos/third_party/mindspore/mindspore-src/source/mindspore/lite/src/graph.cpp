// SPDX-License-Identifier: Apache-2.0
// A .ms file, which is a flatbuffer with the identifier MSL2, as a Graph. Numbers of fields are those of MindSpore Lite's schema
// (model.fbs and ops.fbs of 2.1; as in 1.2 and 1.3, whose files were looked at).
#include "graph.h"

#include <stdlib.h>

#include "flat.h"

namespace {
enum { META_NAME = 0, META_VERSION = 1, META_INPUTS = 3, META_OUTPUTS = 4, META_NODES = 6, META_TENSORS = 7, META_SUBGRAPHS = 8 };
enum { SUB_NAME = 0, SUB_INPUTS = 1, SUB_OUTPUTS = 2, SUB_NODES = 3, SUB_TENSORS = 4 };
enum { TENSOR_TYPE = 1, TENSOR_DIMS = 2, TENSOR_FORMAT = 3, TENSOR_DATA = 6, TENSOR_NAME = 9 };
enum { NODE_NAME = 0, NODE_PRIMITIVE = 2, NODE_INPUTS = 3, NODE_OUTPUTS = 4 };
enum { PRIMITIVE_KIND = 0, PRIMITIVE_VALUE = 1 };
constexpr uint32_t MOST_NAME = 1024;

template <typename T> T *Zeroed(size_t count)
{
    return static_cast<T *>(calloc(count != 0 ? count : 1, sizeof(T)));
}

char *Name(Flat *flat, const Table &table, unsigned id)
{
    const Vector text = flat->vector(table, id, 1);
    if (text.count > MOST_NAME) {
        flat->good = false;
    }
    const uint32_t count = flat->good ? text.count : 0;
    char *made = Zeroed<char>(count + 1);
    if (made != nullptr && count != 0) {
        memcpy(made, flat->data + text.at, count);
    }
    return made;
}

OH_AI_Status ReadTensor(Flat *flat, const Table &table, Tensor *tensor, uint64_t *total)
{
    tensor->name = Name(flat, table, TENSOR_NAME);
    const int32_t type = flat->scalar<int32_t>(table, TENSOR_TYPE, 0), format = flat->scalar<int32_t>(table, TENSOR_FORMAT, 0);
    if (type < 0 || format < 0 || format > OH_AI_FORMAT_NCW) {
        return OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
    }
    tensor->type = static_cast<OH_AI_DataType>(type);
    tensor->format = static_cast<OH_AI_Format>(format);
    const Vector dims = flat->vector(table, TENSOR_DIMS, 4), data = flat->vector(table, TENSOR_DATA, 1);
    if (!flat->good || dims.count > MOST_DIMS) {
        return OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
    }
    if (tensor->name == nullptr) {
        return OH_AI_STATUS_LITE_MEMORY_FAILED;
    }
    tensor->rank = dims.count;
    for (uint32_t i = 0; i < dims.count; i++) {
        tensor->shape[i] = flat->get<int32_t>(dims.at + 4ull * i);
        if (tensor->shape[i] < -1) {
            return OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
        }
    }
    uint64_t bytes = 0;
    const bool known = Bytes(*tensor, &bytes);
    if (data.count == 0) {
        return OH_AI_STATUS_SUCCESS;
    }
    if (!known || bytes != data.count) {
        return OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
    }
    *total += bytes;
    if (*total > MOST_BYTES || !Allocate(tensor)) {
        return OH_AI_STATUS_LITE_MEMORY_FAILED;
    }
    memcpy(tensor->data, flat->data + data.at, data.count);
    tensor->constant = true;
    return OH_AI_STATUS_SUCCESS;
}

OH_AI_Status ReadAttributes(Flat *flat, const Table &primitive, Node *node)
{
    bool there = false;
    const Table value = flat->inner(primitive, PRIMITIVE_VALUE, &there);
    if (node->kind == KIND_ADD) {
        node->activation = flat->scalar<int8_t>(value, 0, ACTIVATION_NONE);
    } else if (node->kind == KIND_MATMUL) {
        node->transpose_a = flat->scalar<uint8_t>(value, 0, 0) != 0;
        node->transpose_b = flat->scalar<uint8_t>(value, 1, 0) != 0;
        node->activation = flat->scalar<int8_t>(value, 2, ACTIVATION_NONE);
    } else if (node->kind == KIND_SOFTMAX) {
        const Vector axes = flat->vector(value, 0, 8);
        if (axes.count > 1) {
            return OH_AI_STATUS_LITE_INVALID_OP_ATTR;
        }
        node->axis = axes.count == 1 ? flat->get<int64_t>(axes.at) : -1;
    } else {
        return OH_AI_STATUS_LITE_NOT_FIND_OP;
    }
    const int activation = node->activation;
    if (activation != ACTIVATION_NONE && activation != ACTIVATION_RELU && activation != ACTIVATION_RELU6) {
        return OH_AI_STATUS_LITE_INVALID_OP_ATTR;
    }
    return flat->good ? OH_AI_STATUS_SUCCESS : OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
}

OH_AI_Status ReadNode(Flat *flat, const Table &table, const Graph &graph, Node *node)
{
    bool there = false;
    node->name = Name(flat, table, NODE_NAME);
    const Table primitive = flat->inner(table, NODE_PRIMITIVE, &there);
    node->kind = flat->scalar<uint8_t>(primitive, PRIMITIVE_KIND, 0);
    const Vector inputs = flat->vector(table, NODE_INPUTS, 4), outputs = flat->vector(table, NODE_OUTPUTS, 4);
    if (!flat->good) {
        return OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
    }
    if (node->name == nullptr) {
        return OH_AI_STATUS_LITE_MEMORY_FAILED;
    }
    const OH_AI_Status status = ReadAttributes(flat, primitive, node);
    if (status != OH_AI_STATUS_SUCCESS) {
        return status;
    }
    const uint32_t least = node->kind == KIND_SOFTMAX ? 1 : 2, most = node->kind == KIND_MATMUL ? 3 : least;
    if (inputs.count < least || inputs.count > most || outputs.count != 1) {
        return OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
    }
    node->input_count = inputs.count;
    node->output = flat->get<uint32_t>(outputs.at);
    bool inside = node->output < graph.tensor_count;
    for (uint32_t i = 0; i < inputs.count; i++) {
        node->inputs[i] = flat->get<uint32_t>(inputs.at + 4ull * i);
        inside = inside && node->inputs[i] < graph.tensor_count;
    }
    return inside ? OH_AI_STATUS_SUCCESS : OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
}

bool ReadEnds(Flat *flat, const Vector &indices, const Graph &graph, Tensor ***list, size_t *count)
{
    if (!flat->good || indices.count == 0 || indices.count > graph.tensor_count) {
        return false;
    }
    *list = Zeroed<Tensor *>(indices.count);
    *count = *list != nullptr ? indices.count : 0;
    for (uint32_t i = 0; i < *count; i++) {
        const uint32_t index = flat->get<uint32_t>(indices.at + 4ull * i);
        if (index >= graph.tensor_count) {
            return false;
        }
        (*list)[i] = &graph.tensors[index];
    }
    return *count != 0;
}

// Every tensor has one source: the file, the caller or one node, and a node runs after its sources.
bool InOrder(const Graph &graph)
{
    bool *ready = Zeroed<bool>(graph.tensor_count);
    bool good = ready != nullptr;
    for (size_t i = 0; good && i < graph.tensor_count; i++) {
        ready[i] = graph.tensors[i].constant;
    }
    for (size_t i = 0; good && i < graph.input_count; i++) {
        bool *one = &ready[graph.inputs[i] - graph.tensors];
        good = !*one;
        *one = true;
    }
    for (size_t i = 0; good && i < graph.node_count; i++) {
        const Node &node = graph.nodes[i];
        for (size_t k = 0; k < node.input_count; k++) {
            good = good && ready[node.inputs[k]];
        }
        good = good && !ready[node.output];
        ready[node.output] = true;
    }
    for (size_t i = 0; good && i < graph.output_count; i++) {
        good = ready[graph.outputs[i] - graph.tensors] && !graph.outputs[i]->constant;
    }
    free(ready);
    return good;
}

OH_AI_Status ReadTensors(Flat *flat, const Table &meta, Graph *graph)
{
    const Vector tensors = flat->vector(meta, META_TENSORS, 4);
    if (!flat->good || tensors.count == 0 || tensors.count > MOST_TENSORS) {
        return OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
    }
    graph->tensors = Zeroed<Tensor>(tensors.count);
    graph->tensor_count = graph->tensors != nullptr ? tensors.count : 0;
    uint64_t total = 0;
    OH_AI_Status status = graph->tensors != nullptr ? OH_AI_STATUS_SUCCESS : OH_AI_STATUS_LITE_MEMORY_FAILED;
    for (size_t i = 0; i < graph->tensor_count && status == OH_AI_STATUS_SUCCESS; i++) {
        const Table table = flat->table(flat->follow(tensors.at + 4 * i));
        status = flat->good ? ReadTensor(flat, table, &graph->tensors[i], &total) : OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
    }
    return status;
}

// `order`: the nodes that the one subgraph lists, in its order; empty: all, as they stand.
OH_AI_Status ReadNodes(Flat *flat, const Table &meta, const Vector &order, Graph *graph)
{
    const Vector nodes = flat->vector(meta, META_NODES, 4);
    const uint32_t count = order.count != 0 ? order.count : nodes.count;
    if (!flat->good || count == 0 || count > MOST_NODES) {
        return OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
    }
    graph->nodes = Zeroed<Node>(count);
    graph->node_count = graph->nodes != nullptr ? count : 0;
    OH_AI_Status status = graph->nodes != nullptr ? OH_AI_STATUS_SUCCESS : OH_AI_STATUS_LITE_MEMORY_FAILED;
    for (uint32_t i = 0; i < graph->node_count && status == OH_AI_STATUS_SUCCESS; i++) {
        const uint32_t index = order.count != 0 ? flat->get<uint32_t>(order.at + 4ull * i) : i;
        if (index >= nodes.count) {
            return OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
        }
        const Table table = flat->table(flat->follow(nodes.at + 4ull * index));
        status = flat->good ? ReadNode(flat, table, *graph, &graph->nodes[i]) : OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
    }
    return status;
}

OH_AI_Status ReadAll(Flat *flat, Graph *graph)
{
    const Table meta = flat->table(flat->follow(0));
    const Vector parts = flat->vector(meta, META_SUBGRAPHS, 4);
    flat->vector(meta, META_NAME, 1);    // not needed, but a file that was cut off inside them is no good one
    flat->vector(meta, META_VERSION, 1);
    Vector inputs = flat->vector(meta, META_INPUTS, 4), outputs = flat->vector(meta, META_OUTPUTS, 4), order{0, 0};
    if (flat->good && parts.count > 1) {
        return OH_AI_STATUS_LITE_NOT_SUPPORT;    // control flow
    }
    if (flat->good && parts.count == 1) {
        const Table part = flat->table(flat->follow(parts.at));
        inputs = flat->vector(part, SUB_INPUTS, 4);
        outputs = flat->vector(part, SUB_OUTPUTS, 4);
        order = flat->vector(part, SUB_NODES, 4);
        flat->vector(part, SUB_NAME, 1);
        flat->vector(part, SUB_TENSORS, 4);
    }
    OH_AI_Status status = ReadTensors(flat, meta, graph);
    if (status == OH_AI_STATUS_SUCCESS) {
        status = ReadNodes(flat, meta, order, graph);
    }
    if (status == OH_AI_STATUS_SUCCESS && !(ReadEnds(flat, inputs, *graph, &graph->inputs, &graph->input_count) &&
        ReadEnds(flat, outputs, *graph, &graph->outputs, &graph->output_count) && flat->good && InOrder(*graph))) {
        status = OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
    }
    return status;
}
}

OH_AI_Status ReadGraph(const void *data, size_t size, Graph *graph)
{
    memset(graph, 0, sizeof(*graph));
    Flat flat{static_cast<const uint8_t *>(data), size, true};
    if (size < 8 || size > MOST_BYTES || memcmp(flat.data + 4, "MSL2", 4) != 0) {
        return OH_AI_STATUS_LITE_GRAPH_FILE_ERROR;
    }
    OH_AI_Status status = ReadAll(&flat, graph);
    if (status == OH_AI_STATUS_SUCCESS) {
        status = InferShapes(graph);
    }
    if (status != OH_AI_STATUS_SUCCESS) {
        FreeGraph(graph);
    }
    return status;
}

void FreeGraph(Graph *graph)
{
    for (size_t i = 0; i < graph->tensor_count; i++) {
        Release(&graph->tensors[i]);
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        free(graph->nodes[i].name);
    }
    free(graph->tensors);
    free(graph->nodes);
    free(graph->inputs);
    free(graph->outputs);
    memset(graph, 0, sizeof(*graph));
}
