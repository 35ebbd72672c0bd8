// SPDX-License-Identifier: Apache-2.0
// What a node computes, in float32, plainly: InferShapes has made sure that the shapes fit.
#include "graph.h"

#include <math.h>

namespace {
constexpr uint64_t MOST_STEPS = 1ull << 33;    // of one matrix product: some ten seconds on the virtual board

float Activate(int activation, float value)
{
    if (activation != ACTIVATION_NONE && value < 0) {
        value = 0;
    }
    return activation == ACTIVATION_RELU6 && value > 6 ? 6 : value;
}

// Where in `tensor` the element stands that goes into element `index` of `out`, dimensions of 1 repeated.
uint64_t Repeated(const Tensor &tensor, const Tensor &out, uint64_t index)
{
    uint64_t at = 0, step = 1;
    for (size_t i = 0; i < out.rank; i++) {
        const uint64_t size = out.shape[out.rank - 1 - i], place = index % size;
        index /= size;
        if (i < tensor.rank) {
            const uint64_t own = tensor.shape[tensor.rank - 1 - i];
            at += own == 1 ? 0 : place * step;
            step *= own;
        }
    }
    return at;
}

void Add(const Node &node, const Tensor &a, const Tensor &b, const Tensor &out, uint64_t count)
{
    const float *x = static_cast<const float *>(a.data), *y = static_cast<const float *>(b.data);
    float *to = static_cast<float *>(out.data);
    for (uint64_t i = 0; i < count; i++) {
        to[i] = Activate(node.activation, x[Repeated(a, out, i)] + y[Repeated(b, out, i)]);
    }
}

bool MatMul(const Graph &graph, const Node &node, const Tensor &out, uint64_t count)
{
    const Tensor &a = graph.tensors[node.inputs[0]], &b = graph.tensors[node.inputs[1]];
    const float *bias = node.input_count == 3 ? static_cast<const float *>(graph.tensors[node.inputs[2]].data) : nullptr;
    const uint64_t rows = out.shape[out.rank - 2], columns = out.shape[out.rank - 1];
    const uint64_t depth = a.shape[a.rank - (node.transpose_a ? 2 : 1)];
    if (depth != 0 && count > MOST_STEPS / depth) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t batch = i / (rows * columns), row = i / columns % rows, column = i % columns;
        const float *x = static_cast<const float *>(a.data) + batch * rows * depth;
        const float *y = static_cast<const float *>(b.data) + (b.rank == 2 ? 0 : batch * depth * columns);
        float sum = 0;
        for (uint64_t k = 0; k < depth; k++) {
            sum += x[node.transpose_a ? k * rows + row : row * depth + k] * y[node.transpose_b ? column * depth + k : k * columns + column];
        }
        static_cast<float *>(out.data)[i] = Activate(node.activation, sum + (bias != nullptr ? bias[column] : 0));
    }
    return true;
}

void Softmax(const Node &node, const Tensor &in, const Tensor &out, uint64_t count)
{
    const size_t axis = static_cast<size_t>(node.axis < 0 ? node.axis + static_cast<int64_t>(in.rank) : node.axis);
    const uint64_t length = in.shape[axis];
    uint64_t step = 1;
    for (size_t i = axis + 1; i < in.rank; i++) {
        step *= in.shape[i];
    }
    for (uint64_t i = 0; i < count; i++) {
        if (i / step % length != 0) {
            continue;    // not the first of its line
        }
        const float *from = static_cast<const float *>(in.data) + i;
        float *to = static_cast<float *>(out.data) + i, most = from[0], sum = 0;
        for (uint64_t k = 1; k < length; k++) {
            most = from[k * step] > most ? from[k * step] : most;
        }
        for (uint64_t k = 0; k < length; k++) {
            sum += to[k * step] = expf(from[k * step] - most);
        }
        for (uint64_t k = 0; k < length; k++) {
            to[k * step] /= sum;
        }
    }
}
}

const char *KindName(int kind)
{
    return kind == KIND_ADD ? "AddFusion" : kind == KIND_MATMUL ? "MatMulFusion" : "Softmax";
}

OH_AI_Status Compute(Graph *graph, const Node &node)
{
    const Tensor &first = graph->tensors[node.inputs[0]], &out = graph->tensors[node.output];
    uint64_t count = 0;
    if (!Elements(out, &count)) {
        return OH_AI_STATUS_LITE_OP_EXECUTE_FAILURE;
    }
    if (node.kind == KIND_ADD) {
        Add(node, first, graph->tensors[node.inputs[1]], out, count);
    } else if (node.kind == KIND_SOFTMAX) {
        Softmax(node, first, out, count);
    } else if (!MatMul(*graph, node, out, count)) {
        return OH_AI_STATUS_LITE_OP_EXECUTE_FAILURE;
    }
    return OH_AI_STATUS_SUCCESS;
}
