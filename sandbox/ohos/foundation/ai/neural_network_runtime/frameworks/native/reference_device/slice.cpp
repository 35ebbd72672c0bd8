// SPDX-License-Identifier: Apache-2.0
// Operations whose output is a walk through one input: transposing, slicing, repeating.
#include "kernels.h"
#include "strided.h"

namespace nnrt {
namespace {

// The walk of an operation: where it begins in the input, and its steps and shape before new and shrunk axes.
struct Path {
    int64_t start = 0;
    Shape steps, shape, told;         // `told`: the output's shape
};

bool Transposed(const std::vector<View> &inputs, Path &path)
{
    const Shape &from = inputs[0].shape, steps = Dense(from);
    std::vector<int64_t> order;
    bool seen[MOST_RANK] = {};
    if (!Integers(inputs[1], order) || order.size() != from.rank) {
        return false;
    }
    for (int64_t said : order) {
        uint32_t axis = 0;
        if (!Axis(said, from.rank, axis) || seen[axis]) {
            return false;
        }
        seen[axis] = true;
        path.shape.Push(from.dims[axis]);
        path.steps.Push(steps.dims[axis]);
    }
    path.told = path.shape;
    return true;
}

bool Sliced(const Node &node, const std::vector<View> &inputs, Path &path)
{
    const Shape &from = inputs[0].shape;
    std::vector<int64_t> begin, size, axes = node.Many(OH_NN_SLICE_AXES);
    path.shape = from;
    path.steps = Dense(from);
    if (!Integers(inputs[1], begin) || !Integers(inputs[2], size) || begin.size() != size.size() || begin.size() > from.rank ||
        (!axes.empty() && axes.size() != begin.size())) {
        return false;
    }
    for (size_t i = 0; i < begin.size(); i++) {
        uint32_t axis = 0;
        if (!Axis(axes.empty() ? static_cast<int64_t>(i) : axes[i], from.rank, axis)) {
            return false;
        }
        const int64_t dim = from.dims[axis], first = begin[i] < 0 ? begin[i] + dim : begin[i], count = size[i] == -1 ? dim - first : size[i];
        if (first < 0 || count < 1 || first > dim - count) {
            return false;
        }
        path.start += first * path.steps.dims[axis];
        path.shape.dims[axis] = count;
    }
    path.told = path.shape;
    return true;
}

constexpr int64_t FAR = 1 << 30;         // sums and products with a dimension do not overflow up to there

int64_t Held(int64_t value, int64_t least, int64_t most) { return value < least ? least : value > most ? most : value; }

// One axis of a strided slice; false if nothing is left of it.
bool Strided(int64_t dim, int64_t begin, int64_t end, int64_t stride, bool noBegin, bool noEnd, int64_t &first, int64_t &count)
{
    if (stride == 0 || stride < -FAR || stride > FAR) {
        return false;
    }
    begin = Held(begin, -FAR * 4, FAR * 4);          // beyond every dimension, as a "to the end" may be
    end = Held(end, -FAR * 4, FAR * 4);
    const int64_t least = stride > 0 ? 0 : -1, most = stride > 0 ? dim : dim - 1;
    first = noBegin ? (stride > 0 ? 0 : dim - 1) : Held(begin < 0 ? begin + dim : begin, least, most);
    const int64_t last = noEnd ? (stride > 0 ? dim : -1) : Held(end < 0 ? end + dim : end, least, most);
    count = stride > 0 ? (last - first + stride - 1) / stride : (first - last - stride - 1) / -stride;
    return count > 0;
}

bool StridedSliced(const Node &node, const std::vector<View> &inputs, Path &path)
{
    const Shape &from = inputs[0].shape, dense = Dense(from);
    std::vector<int64_t> begin, end, stride;
    if (!Integers(inputs[1], begin) || !Integers(inputs[2], end) || !Integers(inputs[3], stride) || begin.size() != end.size() ||
        begin.size() != stride.size() || begin.size() > MOST_RANK) {
        return false;
    }
    const auto mask = [&](OH_NN_TensorType kind, size_t i) { return (node.One<int64_t>(kind, 0) >> i & 1) != 0; };
    uint32_t axis = 0;
    const auto whole = [&] {
        path.shape.Push(from.dims[axis]);
        path.steps.Push(dense.dims[axis]);
        path.told.Push(from.dims[axis++]);
    };
    for (size_t i = 0; i < begin.size(); i++) {
        if (mask(OH_NN_STRIDED_SLICE_ELLIPSIS_MASK, i)) {
            size_t after = 0;
            for (size_t j = i + 1; j < begin.size(); j++) {
                after += !mask(OH_NN_STRIDED_SLICE_NEW_AXIS_MASK, j);
            }
            while (axis + after < from.rank) {
                whole();
            }
            continue;
        }
        if (mask(OH_NN_STRIDED_SLICE_NEW_AXIS_MASK, i)) {
            if (path.told.rank == MOST_RANK) {
                return false;
            }
            path.told.Push(1);
            continue;
        }
        int64_t first = 0, count = 0;
        const bool shrunk = mask(OH_NN_STRIDED_SLICE_SHRINK_AXIS_MASK, i);
        if (axis >= from.rank || !Strided(from.dims[axis], begin[i], shrunk ? Held(begin[i], -FAR * 4, FAR * 4) + 1 : end[i], shrunk ? 1 : stride[i],
                                          mask(OH_NN_STRIDED_SLICE_BEGIN_MASK, i) && !shrunk,
                                          (shrunk && begin[i] == -1) || (mask(OH_NN_STRIDED_SLICE_END_MASK, i) && !shrunk), first, count)) {
            return false;
        }
        path.start += first * dense.dims[axis];
        path.shape.Push(count);
        path.steps.Push(dense.dims[axis++] * (shrunk ? 1 : stride[i]));
        if (!shrunk) {
            path.told.Push(count);
        }
    }
    while (axis < from.rank) {
        if (path.told.rank == MOST_RANK) {
            return false;
        }
        whole();
    }
    return true;
}

bool BroadcastTo(const Node &node, const Shape &from, Path &path)
{
    const std::vector<int64_t> said = node.Many(OH_NN_BROADCAST_TO_SHAPE);
    const Shape dense = Dense(from);
    if (said.size() < from.rank || said.size() > MOST_RANK) {
        return false;
    }
    const size_t more = said.size() - from.rank;
    for (size_t i = 0; i < said.size(); i++) {
        const int64_t dim = i < more ? 1 : from.dims[i - more], wanted = said[i] == -1 ? dim : said[i];
        if (wanted < 1 || wanted > FAR || (dim != 1 && dim != wanted)) {
            return false;
        }
        path.shape.Push(wanted);
        path.steps.Push(dim == 1 ? 0 : dense.dims[i - more]);
    }
    path.told = path.shape;
    return true;
}

// A repeated dimension is two in the walk: how often, and where in the input.
bool Tiled(const Node &node, const std::vector<View> &inputs, Path &path)
{
    const Shape &from = inputs[0].shape, dense = Dense(from);
    std::vector<int64_t> times, axes = node.Many(OH_NN_TILE_DIMS);
    int64_t often[MOST_RANK];
    if (!Integers(inputs[1], times) || from.rank * 2 > MOST_RANK || times.size() > from.rank || (axes.empty() && times.size() != from.rank) ||
        (!axes.empty() && axes.size() != times.size())) {
        return false;
    }
    for (int64_t &one : often) {
        one = 1;
    }
    for (size_t i = 0; i < times.size(); i++) {
        uint32_t axis = 0;
        if (times[i] < 1 || times[i] > FAR || !Axis(axes.empty() ? static_cast<int64_t>(i) : axes[i], from.rank, axis)) {
            return false;
        }
        often[axis] = times[i];
    }
    for (uint32_t i = 0; i < from.rank; i++) {
        path.shape.Push(often[i]);
        path.steps.Push(0);
        path.shape.Push(from.dims[i]);
        path.steps.Push(dense.dims[i]);
        path.told.Push(often[i] * from.dims[i]);
    }
    return true;
}

bool PathOf(const Node &node, const std::vector<View> &inputs, Path &path)
{
    switch (node.op) {
        case OH_NN_OPS_TRANSPOSE: return Transposed(inputs, path);
        case OH_NN_OPS_SLICE: return Sliced(node, inputs, path);
        case OH_NN_OPS_STRIDED_SLICE: return StridedSliced(node, inputs, path);
        case OH_NN_OPS_BROADCAST_TO: return BroadcastTo(node, inputs[0].shape, path);
        default: return Tiled(node, inputs, path);
    }
}

}

bool InferWalk(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    outputs[0].type = inputs[0].type;
    outputs[0].open = false;
    for (size_t i = 1; i < inputs.size(); i++) {
        outputs[0].open = outputs[0].open || inputs[i].data == nullptr;
    }
    Path path;
    if (!outputs[0].open && !PathOf(node, inputs, path)) {
        return false;
    }
    outputs[0].shape = path.told;
    return true;
}

bool RunWalk(const Call &call)
{
    Path path;
    if (!PathOf(call.node, call.inputs, path)) {
        return false;
    }
    Copy(call.pool, {call.inputs[0].data, path.start, path.steps, call.outputs[0].data, 0, Dense(path.shape), path.shape, SizeOf(call.inputs[0].type)});
    return true;
}

}
