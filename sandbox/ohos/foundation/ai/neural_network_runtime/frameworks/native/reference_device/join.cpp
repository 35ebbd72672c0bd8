// SPDX-License-Identifier: Apache-2.0
// Several tensors into one and one into several along an axis, and padding.
#include "kernels.h"
#include "numbers.h"
#include "strided.h"

namespace nnrt {
namespace {

bool Stacks(OH_NN_OperationType op) { return op == OH_NN_OPS_STACK || op == OH_NN_OPS_UNSTACK; }

// Sizes of the pieces of a split; the rest is for a size of -1, all are equal if none is said.
bool Sizes(const Node &node, int64_t dim, size_t count, std::vector<int64_t> &sizes)
{
    sizes = node.Many(OH_NN_SPLIT_SIZE_SPLITS);
    if (sizes.empty()) {
        sizes.assign(count, dim / static_cast<int64_t>(count));
        return dim % static_cast<int64_t>(count) == 0;
    }
    int64_t sum = 0;
    for (int64_t size : sizes) {
        sum += size < 0 ? 0 : size;
    }
    int open = 0;
    for (int64_t &size : sizes) {
        if (size == -1) {
            size = dim - sum;
            open++;
        }
        if (size < 1) {
            return false;
        }
    }
    return sizes.size() == count && (open == 1 || (open == 0 && sum == dim));
}

OH_NN_TensorType AxisOf(OH_NN_OperationType op)
{
    switch (op) {
        case OH_NN_OPS_CONCAT: return OH_NN_CONCAT_AXIS;
        case OH_NN_OPS_STACK: return OH_NN_STACK_AXIS;
        case OH_NN_OPS_SPLIT: return OH_NN_SPLIT_AXIS;
        default: return OH_NN_UNSTACK_AXIS;
    }
}

// One side is `whole`, the other the parts: `rows` times, a piece of each part after the other.
void Interleave(const Call &call, const View &whole, const std::vector<View> &parts, uint32_t axis, bool joins)
{
    const int64_t rows = whole.shape.Count(0, axis);
    const auto each = static_cast<int64_t>(SizeOf(whole.type)), wide = whole.shape.Count(axis, whole.shape.rank) * each;
    call.pool.For(static_cast<size_t>(rows), [&](size_t row) {
        uint8_t *at = whole.data + static_cast<int64_t>(row) * wide;
        for (const View &part : parts) {
            const int64_t piece = part.shape.Count() / rows * each;
            uint8_t *other = part.data + static_cast<int64_t>(row) * piece;
            memcpy(joins ? at : other, joins ? other : at, static_cast<size_t>(piece));
            at += piece;
        }
    });
}

}

bool InferJoin(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const bool stacks = Stacks(node.op);
    const Shape &first = inputs[0].shape;
    uint32_t axis = 0;
    if (first.rank + stacks > MOST_RANK || !Axis(node.One<int64_t>(AxisOf(node.op), 0), first.rank + stacks, axis)) {
        return false;
    }
    Shape &out = outputs[0].shape;
    out = Shape();
    for (uint32_t i = 0; i < first.rank + stacks; i++) {
        out.Push(stacks ? (i == axis ? static_cast<int64_t>(inputs.size()) : first.dims[i - (i > axis)]) : i == axis ? 0 : first.dims[i]);
    }
    for (const View &input : inputs) {
        if (input.type != inputs[0].type || input.shape.rank != first.rank) {
            return false;
        }
        for (uint32_t i = 0; i < first.rank; i++) {
            if (input.shape.dims[i] != first.dims[i] && (stacks || i != axis)) {
                return false;
            }
        }
        out.dims[axis] += stacks ? 0 : input.shape.dims[axis];
    }
    outputs[0].type = inputs[0].type;
    return true;
}

bool RunJoin(const Call &call)
{
    uint32_t axis = 0;
    Axis(call.node.One<int64_t>(AxisOf(call.node.op), 0), call.outputs[0].shape.rank, axis);
    Interleave(call, call.outputs[0], call.inputs, axis, true);
    return true;
}

bool InferPart(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const Shape &from = inputs[0].shape;
    uint32_t axis = 0;
    std::vector<int64_t> sizes(outputs.size(), 1);
    if (!Axis(node.One<int64_t>(AxisOf(node.op), 0), from.rank, axis) ||
        (Stacks(node.op) ? from.dims[axis] != static_cast<int64_t>(outputs.size()) : !Sizes(node, from.dims[axis], outputs.size(), sizes))) {
        return false;
    }
    for (size_t i = 0; i < outputs.size(); i++) {
        outputs[i].type = inputs[0].type;
        outputs[i].shape = Shape();
        for (uint32_t j = 0; j < from.rank; j++) {
            if (j != axis || !Stacks(node.op)) {
                outputs[i].shape.Push(j == axis ? sizes[i] : from.dims[j]);
            }
        }
    }
    return true;
}

bool RunPart(const Call &call)
{
    uint32_t axis = 0;
    Axis(call.node.One<int64_t>(AxisOf(call.node.op), 0), call.inputs[0].shape.rank, axis);
    Interleave(call, call.inputs[0], call.outputs, axis, false);
    return true;
}

// PAD: a row of two numbers for each dimension; constant, reflecting (without the edge) or symmetric (with it).
bool InferPad(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const int32_t mode = node.One<int32_t>(OH_NN_PAD_PADDING_MODE, 0);
    const View &x = inputs[0];
    outputs[0].type = x.type;
    outputs[0].open = inputs[1].data == nullptr;
    if (outputs[0].open) {
        return mode >= 0 && mode <= 2;
    }
    std::vector<int64_t> pads;
    if (mode < 0 || mode > 2 || !Integers(inputs[1], pads) || pads.size() != x.shape.rank * 2) {
        return false;
    }
    outputs[0].shape = x.shape;
    for (uint32_t i = 0; i < x.shape.rank; i++) {
        const int64_t most = mode == 0 ? 1 << 24 : x.shape.dims[i] - (mode == 1);
        if (pads[i * 2] < 0 || pads[i * 2 + 1] < 0 || pads[i * 2] > most || pads[i * 2 + 1] > most) {
            return false;
        }
        outputs[0].shape.dims[i] += pads[i * 2] + pads[i * 2 + 1];
    }
    return true;
}

bool RunPad(const Call &call)
{
    const View &x = call.inputs[0], &out = call.outputs[0];
    const int32_t mode = call.node.One<int32_t>(OH_NN_PAD_PADDING_MODE, 0);
    std::vector<int64_t> pads;
    Integers(call.inputs[1], pads);
    const Shape from = Dense(x.shape), into = Dense(out.shape);
    if (mode == 0) {
        std::vector<float> value(CHUNK, call.node.One<float>(OH_NN_PAD_CONSTANT_VALUE, 0));
        const auto count = static_cast<size_t>(out.shape.Count());
        for (size_t at = 0; at < count; at += CHUNK) {
            StoreNumbers(value.data(), out, static_cast<int64_t>(at), count - at < CHUNK ? count - at : CHUNK);
        }
        int64_t start = 0;
        for (uint32_t i = 0; i < out.shape.rank; i++) {
            start += pads[i * 2] * into.dims[i];
        }
        Copy(call.pool, {x.data, 0, from, out.data, start, into, x.shape, SizeOf(x.type)});
        return true;
    }
    const size_t each = SizeOf(x.type);
    for (int64_t at = 0; at < out.shape.Count(); at++) {
        int64_t source = 0;
        for (uint32_t i = 0; i < out.shape.rank; i++) {
            const int64_t dim = x.shape.dims[i], edge = mode == 1 ? 0 : 1;
            int64_t place = at / into.dims[i] % out.shape.dims[i] - pads[i * 2];
            place = place < 0 ? -place - edge : place >= dim ? 2 * dim - 2 + edge - place : place;
            source += place * from.dims[i];
        }
        memcpy(out.data + static_cast<size_t>(at) * each, x.data + static_cast<size_t>(source) * each, each);
    }
    return true;
}

}
