// SPDX-License-Identifier: Apache-2.0
// The shape of every tensor that a node makes, from those of its inputs; what the file says of it is not asked.
#include "graph.h"

#include <string.h>

namespace {
void Copy(const Tensor &from, Tensor *to)
{
    to->rank = from.rank;
    memcpy(to->shape, from.shape, sizeof(to->shape));
}

bool Add(const Tensor &a, const Tensor &b, Tensor *out)
{
    out->rank = a.rank > b.rank ? a.rank : b.rank;
    for (size_t i = 0; i < out->rank; i++) {
        const int64_t x = i < a.rank ? a.shape[a.rank - 1 - i] : 1, y = i < b.rank ? b.shape[b.rank - 1 - i] : 1;
        if (x != y && x != 1 && y != 1) {
            return false;
        }
        out->shape[out->rank - 1 - i] = x == 1 ? y : x;
    }
    return true;
}

// b is one matrix for the whole batch, or has a's batch dimensions.
bool MatMul(const Graph &graph, const Node &node, Tensor *out)
{
    const Tensor &a = graph.tensors[node.inputs[0]], &b = graph.tensors[node.inputs[1]];
    if (a.rank < 2 || b.rank < 2 || (b.rank != 2 && b.rank != a.rank)) {
        return false;
    }
    const size_t batch = a.rank - 2;
    if (b.rank != 2 && memcmp(a.shape, b.shape, batch * sizeof(a.shape[0])) != 0) {
        return false;
    }
    const int64_t rows = a.shape[batch + (node.transpose_a ? 1 : 0)], depth = a.shape[batch + (node.transpose_a ? 0 : 1)];
    const int64_t columns = b.shape[b.rank - (node.transpose_b ? 2 : 1)];
    if (depth != b.shape[b.rank - (node.transpose_b ? 1 : 2)]) {
        return false;
    }
    if (node.input_count == 3) {
        const Tensor &bias = graph.tensors[node.inputs[2]];
        if (bias.rank != 1 || bias.shape[0] != columns) {
            return false;
        }
    }
    Copy(a, out);
    out->shape[batch] = rows;
    out->shape[batch + 1] = columns;
    return true;
}

bool Infer(const Graph &graph, const Node &node, Tensor *out)
{
    const Tensor &first = graph.tensors[node.inputs[0]];
    if (node.kind == KIND_ADD) {
        return Add(first, graph.tensors[node.inputs[1]], out);
    }
    if (node.kind == KIND_MATMUL) {
        return MatMul(graph, node, out);
    }
    const int64_t rank = static_cast<int64_t>(first.rank);
    Copy(first, out);
    return node.axis < rank && node.axis >= -rank;
}
}

OH_AI_Status InferShapes(Graph *graph)
{
    uint64_t total = 0, bytes = 0;
    graph->inferred = true;
    for (size_t i = 0; i < graph->input_count; i++) {
        if (graph->inputs[i]->type != OH_AI_DATATYPE_NUMBERTYPE_FLOAT32) {
            return OH_AI_STATUS_LITE_NOT_SUPPORT;
        }
        for (size_t k = 0; k < graph->inputs[i]->rank; k++) {
            graph->inferred = graph->inferred && graph->inputs[i]->shape[k] >= 0;
        }
        if (graph->inferred && !Bytes(*graph->inputs[i], &bytes)) {
            return OH_AI_STATUS_LITE_MEMORY_FAILED;
        }
        total += bytes;
    }
    for (size_t i = 0; i < graph->node_count && graph->inferred; i++) {
        const Node &node = graph->nodes[i];
        Tensor *out = &graph->tensors[node.output];
        for (size_t k = 0; k < node.input_count; k++) {
            if (graph->tensors[node.inputs[k]].type != OH_AI_DATATYPE_NUMBERTYPE_FLOAT32) {
                return OH_AI_STATUS_LITE_NOT_SUPPORT;
            }
        }
        out->type = OH_AI_DATATYPE_NUMBERTYPE_FLOAT32;
        if (!Infer(*graph, node, out)) {
            return OH_AI_STATUS_LITE_INFER_ERROR;
        }
        if (!Bytes(*out, &bytes) || (total += bytes) > MOST_BYTES) {
            return OH_AI_STATUS_LITE_MEMORY_FAILED;
        }
    }
    return OH_AI_STATUS_SUCCESS;
}
