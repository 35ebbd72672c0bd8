// SPDX-License-Identifier: Apache-2.0
// Operations that leave the elements where they are and say another shape, and those that only tell about a shape.
#include "kernels.h"
#include "numbers.h"

namespace nnrt {
namespace {

constexpr int64_t FAR = int64_t(1) << 60;      // sums of three of these do not overflow

// One dimension may be -1 (what is left), and 0 is that of the input.
bool Reshaped(const Shape &from, const std::vector<int64_t> &said, Shape &into)
{
    int64_t known = 1;
    int open = -1;
    into = Shape();
    if (said.size() > MOST_RANK) {
        return false;
    }
    for (size_t i = 0; i < said.size(); i++) {
        const int64_t dim = said[i] == 0 && i < from.rank ? from.dims[i] : said[i];
        if (dim == -1 && open < 0) {
            open = static_cast<int>(i);
        } else if (dim <= 0 || __builtin_mul_overflow(known, dim, &known)) {
            return false;
        }
        into.Push(dim);
    }
    const int64_t count = from.Count();
    if (open >= 0) {
        if (count % known != 0) {
            return false;
        }
        into.dims[open] = count / known;
        return true;
    }
    return known == count;
}

bool Squeezed(const Node &node, const Shape &from, Shape &into)
{
    bool gone[MOST_RANK] = {};
    const std::vector<int64_t> axes = node.Many(OH_NN_SQUEEZE_AXIS);
    for (int64_t said : axes) {
        uint32_t axis = 0;
        if (!Axis(said, from.rank, axis) || from.dims[axis] != 1) {
            return false;
        }
        gone[axis] = true;
    }
    for (uint32_t i = 0; i < from.rank; i++) {
        if (axes.empty() ? from.dims[i] != 1 : !gone[i]) {
            into.Push(from.dims[i]);
        }
    }
    return true;
}

bool Expanded(const Shape &from, int64_t said, Shape &into)
{
    uint32_t axis = 0;
    if (from.rank == MOST_RANK || !Axis(said, from.rank + 1, axis)) {
        return false;
    }
    for (uint32_t i = 0; i <= from.rank; i++) {
        into.Push(i == axis ? 1 : from.dims[i - (i > axis)]);
    }
    return true;
}

bool Flattened(const Node &node, const Shape &from, Shape &into)
{
    const int64_t said = node.One<int64_t>(OH_NN_FLATTEN_AXIS, 1), axis = said < 0 ? said + from.rank : said;
    if (axis < 0 || axis > from.rank) {
        return false;
    }
    into.Push(from.Count(0, static_cast<uint32_t>(axis)));
    into.Push(from.Count(static_cast<uint32_t>(axis), from.rank));
    return true;
}

}

bool InferReshape(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const Shape &from = inputs[0].shape;
    Shape into;
    outputs[0].type = inputs[0].type;
    outputs[0].open = inputs.size() > 1 && inputs[1].data == nullptr;
    if (outputs[0].open) {
        return true;
    }
    std::vector<int64_t> said;
    bool fits = inputs.size() < 2 || Integers(inputs[1], said);
    switch (node.op) {
        case OH_NN_OPS_RESHAPE: fits = fits && Reshaped(from, said, into); break;
        case OH_NN_OPS_EXPAND_DIMS: fits = fits && said.size() == 1 && Expanded(from, said[0], into); break;
        case OH_NN_OPS_UNSQUEEZE: fits = Expanded(from, node.One<int64_t>(OH_NN_UNSQUEEZE_AXIS, 0), into); break;
        case OH_NN_OPS_SQUEEZE: fits = Squeezed(node, from, into); break;
        default: fits = Flattened(node, from, into); break;
    }
    outputs[0].shape = into;
    return fits;
}

bool RunReshape(const Call &call)
{
    memcpy(call.outputs[0].data, call.inputs[0].data, call.inputs[0].Size());
    return true;
}

bool InferTold(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    View &out = outputs[0];
    out.shape = Shape();
    switch (node.op) {
        case OH_NN_OPS_SHAPE:
            out.shape.Push(inputs[0].shape.rank);
            break;
        case OH_NN_OPS_RANK:
            break;
        default: {
            const int64_t start = node.One<int64_t>(OH_NN_RANGE_START, 0), limit = node.One<int64_t>(OH_NN_RANGE_LIMIT, 0),
                          delta = node.One<int64_t>(OH_NN_RANGE_DELTA, 1);
            for (int64_t number : {start, limit, delta}) {
                if (number < -FAR || number > FAR) {
                    return false;
                }
            }
            if (delta == 0 || (limit - start) / delta < 0 || (limit - start) / delta > (1 << 24)) {
                return false;
            }
            out.shape.Push((limit - start + delta - (delta > 0 ? 1 : -1)) / delta);
            break;
        }
    }
    return out.type == OH_NN_INT32 || out.type == OH_NN_INT64 || (node.op == OH_NN_OPS_RANGE && IsNumber(out.type));
}

bool RunTold(const Call &call)
{
    const View &out = call.outputs[0];
    std::vector<int64_t> told(static_cast<size_t>(out.shape.Count()));
    for (size_t i = 0; i < told.size(); i++) {
        switch (call.node.op) {
            case OH_NN_OPS_SHAPE: told[i] = call.inputs[0].shape.dims[i]; break;
            case OH_NN_OPS_RANK: told[i] = call.inputs[0].shape.rank; break;
            default:
                told[i] = call.node.One<int64_t>(OH_NN_RANGE_START, 0) + static_cast<int64_t>(i) * call.node.One<int64_t>(OH_NN_RANGE_DELTA, 1);
                break;
        }
    }
    StoreNumbers(told.data(), out, 0, told.size());
    return true;
}

// CAST: the second operand holds the number of the type.
bool InferCast(const Node &, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    std::vector<int64_t> said;
    outputs[0].shape = inputs[0].shape;
    if (!Integers(inputs[1], said) || said.size() != 1 || said[0] <= OH_NN_UNKNOWN || said[0] > OH_NN_FLOAT64) {
        return false;
    }
    outputs[0].type = static_cast<OH_NN_DataType>(said[0]);
    return true;
}

bool RunCast(const Call &call)
{
    const View &from = call.inputs[0], &into = call.outputs[0];
    const auto count = static_cast<size_t>(from.shape.Count()), piece = CHUNK * 16;
    call.pool.For((count + piece - 1) / piece, [&](size_t part) {
        const size_t end = (part + 1) * piece < count ? (part + 1) * piece : count;
        for (size_t at = part * piece; at < end; at += CHUNK) {
            const size_t some = end - at < CHUNK ? end - at : CHUNK;
            ByNumber(from.type, [&](auto zero) {
                decltype(zero) numbers[CHUNK];
                LoadNumbers(from, static_cast<int64_t>(at), some, numbers);
                StoreNumbers(numbers, into, static_cast<int64_t>(at), some);
            });
        }
    });
    return true;
}

}
