// SPDX-License-Identifier: Apache-2.0
// Operations that take elements by index or by truth: gathering, scattering, choosing, filling.
#include "kernels.h"
#include "numbers.h"
#include "strided.h"

namespace nnrt {
namespace {

bool IsIndex(const View &view) { return view.type == OH_NN_INT32 || view.type == OH_NN_INT64; }

int64_t IndexAt(const View &view, int64_t at)
{
    int64_t index = 0;
    LoadNumbers(view, at, 1, &index);
    return index;
}

bool GatherAxis(const std::vector<View> &inputs, uint32_t &axis)
{
    std::vector<int64_t> said;
    return Integers(inputs[2], said) && said.size() == 1 && Axis(said[0], inputs[0].shape.rank, axis);
}

// The offset that a row of `depth` indices names in a shape, in elements; -1 if it is outside.
int64_t Named(const View &indices, int64_t row, int64_t depth, const Shape &shape)
{
    const Shape steps = Dense(shape);
    int64_t offset = 0;
    for (int64_t i = 0; i < depth; i++) {
        const int64_t index = IndexAt(indices, row * depth + i), dim = shape.dims[i], place = index < 0 ? index + dim : index;
        if (place < 0 || place >= dim) {
            return -1;
        }
        offset += place * steps.dims[i];
    }
    return offset;
}

}

// GATHER: table, indices, axis.
bool InferGather(const Node &, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const Shape &table = inputs[0].shape, &indices = inputs[1].shape;
    uint32_t axis = 0;
    outputs[0].type = inputs[0].type;
    outputs[0].open = inputs[2].data == nullptr;
    if (outputs[0].open || !IsIndex(inputs[1])) {
        return outputs[0].open;
    }
    if (!GatherAxis(inputs, axis) || table.rank - 1 + indices.rank > MOST_RANK) {
        return false;
    }
    Shape &out = outputs[0].shape;
    out = table;
    out.rank = axis;
    for (uint32_t i = 0; i < indices.rank; i++) {
        out.Push(indices.dims[i]);
    }
    for (uint32_t i = axis + 1; i < table.rank; i++) {
        out.Push(table.dims[i]);
    }
    return true;
}

bool RunGather(const Call &call)
{
    const View &table = call.inputs[0], &indices = call.inputs[1];
    uint32_t axis = 0;
    GatherAxis(call.inputs, axis);
    const int64_t outer = table.shape.Count(0, axis), dim = table.shape.dims[axis], count = indices.shape.Count();
    const size_t piece = static_cast<size_t>(table.shape.Count(axis + 1, table.shape.rank)) * SizeOf(table.type);
    for (int64_t i = 0; i < count; i++) {
        const int64_t said = IndexAt(indices, i), index = said < 0 ? said + dim : said;
        if (index < 0 || index >= dim) {
            return false;
        }
        for (int64_t row = 0; row < outer; row++) {
            memcpy(call.outputs[0].data + static_cast<size_t>(row * count + i) * piece, table.data + static_cast<size_t>(row * dim + index) * piece, piece);
        }
    }
    return true;
}

// GATHER_ND: x, rows of indices into its first dimensions.
bool InferGatherNd(const Node &, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const Shape &x = inputs[0].shape, &indices = inputs[1].shape;
    if (!IsIndex(inputs[1]) || indices.rank == 0 || indices.dims[indices.rank - 1] > x.rank || indices.rank - 1 + x.rank > MOST_RANK) {
        return false;
    }
    outputs[0].type = inputs[0].type;
    Shape &out = outputs[0].shape;
    out = indices;
    out.rank--;
    for (auto i = static_cast<uint32_t>(indices.dims[indices.rank - 1]); i < x.rank; i++) {
        out.Push(x.dims[i]);
    }
    return true;
}

bool RunGatherNd(const Call &call)
{
    const View &x = call.inputs[0], &indices = call.inputs[1];
    const int64_t depth = indices.shape.dims[indices.shape.rank - 1], rows = indices.shape.Count() / depth;
    const size_t each = SizeOf(x.type), piece = static_cast<size_t>(x.shape.Count(static_cast<uint32_t>(depth), x.shape.rank)) * each;
    for (int64_t row = 0; row < rows; row++) {
        const int64_t offset = Named(indices, row, depth, x.shape);
        if (offset < 0) {
            return false;
        }
        memcpy(call.outputs[0].data + static_cast<size_t>(row) * piece, x.data + static_cast<size_t>(offset) * each, piece);
    }
    return true;
}

// SCATTER_ND: indices, updates, shape; what is named twice is added up.
bool InferScatterNd(const Node &, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    std::vector<int64_t> said;
    outputs[0].type = inputs[1].type;
    outputs[0].open = inputs[2].data == nullptr;
    if (outputs[0].open) {
        return IsIndex(inputs[0]);
    }
    Shape &out = outputs[0].shape;
    out = Shape();
    if (!IsIndex(inputs[0]) || inputs[0].shape.rank == 0 || !Integers(inputs[2], said) || said.size() > MOST_RANK) {
        return false;
    }
    for (int64_t dim : said) {
        if (dim < 1 || dim > INT32_MAX) {
            return false;
        }
        out.Push(dim);
    }
    const int64_t depth = inputs[0].shape.dims[inputs[0].shape.rank - 1];
    return depth <= out.rank && inputs[1].shape.Count() == inputs[0].shape.Count() / depth * out.Count(static_cast<uint32_t>(depth), out.rank);
}

bool RunScatterNd(const Call &call)
{
    const View &indices = call.inputs[0], &updates = call.inputs[1], &out = call.outputs[0];
    const int64_t depth = indices.shape.dims[indices.shape.rank - 1], rows = indices.shape.Count() / depth;
    const int64_t piece = out.shape.Count(static_cast<uint32_t>(depth), out.shape.rank);
    memset(out.data, 0, out.Size());
    bool inside = true;
    ByNumber(out.type, [&](auto zero) {
        std::vector<decltype(zero)> sum(static_cast<size_t>(piece)), more(static_cast<size_t>(piece));
        for (int64_t row = 0; row < rows && inside; row++) {
            const int64_t offset = Named(indices, row, depth, out.shape);
            inside = offset >= 0;
            if (inside) {
                LoadNumbers(out, offset, sum.size(), sum.data());
                LoadNumbers(updates, row * piece, more.size(), more.data());
                for (size_t i = 0; i < sum.size(); i++) {
                    sum[i] += more[i];
                }
                StoreNumbers(sum.data(), out, offset, sum.size());
            }
        }
    });
    return inside;
}

// WHERE and SELECT: condition, a, b, each broadcast to the shape of all.
bool InferChoose(const Node &, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    Shape both;
    outputs[0].type = inputs[1].type;
    return inputs[0].type == OH_NN_BOOL && inputs[1].type == inputs[2].type && Broadcast(inputs[1].shape, inputs[2].shape, both) &&
           Broadcast(both, inputs[0].shape, outputs[0].shape);
}

bool RunChoose(const Call &call)
{
    const View &out = call.outputs[0];
    const size_t each = SizeOf(out.type);
    const Shape dense = Dense(out.shape);
    const auto place = [&](const View &view, int64_t at) {
        const Shape steps = Dense(view.shape);
        int64_t offset = 0;
        for (uint32_t i = 0; i < view.shape.rank; i++) {
            const uint32_t j = i + out.shape.rank - view.shape.rank;
            offset += view.shape.dims[i] == 1 ? 0 : at / dense.dims[j] % out.shape.dims[j] * steps.dims[i];
        }
        return static_cast<size_t>(offset);
    };
    for (int64_t at = 0; at < out.shape.Count(); at++) {
        const View &from = call.inputs[call.inputs[0].data[place(call.inputs[0], at)] != 0 ? 1 : 2];
        memcpy(out.data + static_cast<size_t>(at) * each, from.data + place(from, at) * each, each);
    }
    return true;
}

// FILL: value, shape; CONSTANT_OF_SHAPE: shape, with the value as a parameter.
bool InferFill(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const bool constant = node.op == OH_NN_OPS_CONSTANT_OF_SHAPE;
    const View &shape = inputs[constant ? 0 : 1];
    std::vector<int64_t> said;
    outputs[0].type = constant ? static_cast<OH_NN_DataType>(node.One<int64_t>(OH_NN_CONSTANT_OF_SHAPE_DATA_TYPE, 0)) : inputs[0].type;
    if (!constant && inputs[0].shape.Count() != 1) {
        return false;
    }
    outputs[0].open = shape.data == nullptr;
    if (outputs[0].open) {
        return true;
    }
    outputs[0].shape = Shape();
    if (!Integers(shape, said) || said.size() > MOST_RANK || !Known(outputs[0].type) || outputs[0].type == OH_NN_UNKNOWN) {
        return false;
    }
    for (int64_t dim : said) {
        if (dim < 1 || dim > INT32_MAX) {
            return false;
        }
        outputs[0].shape.Push(dim);
    }
    return true;
}

bool RunFill(const Call &call)
{
    const View &out = call.outputs[0];
    const auto count = static_cast<size_t>(out.shape.Count());
    if (call.node.op == OH_NN_OPS_CONSTANT_OF_SHAPE) {
        const std::vector<float> value(CHUNK, call.node.One<float>(OH_NN_CONSTANT_OF_SHAPE_VALUE, 0));
        for (size_t at = 0; at < count; at += CHUNK) {
            StoreNumbers(value.data(), out, static_cast<int64_t>(at), count - at < CHUNK ? count - at : CHUNK);
        }
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(out.data + i * SizeOf(out.type), call.inputs[0].data, SizeOf(out.type));
    }
    return true;
}

// ONE_HOT: indices, depth, on, off.
bool InferOneHot(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const Shape &indices = inputs[0].shape;
    std::vector<int64_t> depth;
    uint32_t axis = 0;
    outputs[0].type = inputs[2].type;
    outputs[0].open = inputs[1].data == nullptr;
    if (!IsIndex(inputs[0]) || inputs[2].type != inputs[3].type || inputs[2].shape.Count() != 1 || inputs[3].shape.Count() != 1 ||
        indices.rank == MOST_RANK || !Axis(node.One<int64_t>(OH_NN_ONE_HOT_AXIS, -1), indices.rank + 1, axis)) {
        return false;
    }
    if (outputs[0].open) {
        return true;
    }
    if (!Integers(inputs[1], depth) || depth.size() != 1 || depth[0] < 1 || depth[0] > (1 << 24)) {
        return false;
    }
    outputs[0].shape = Shape();
    for (uint32_t i = 0; i <= indices.rank; i++) {
        outputs[0].shape.Push(i == axis ? depth[0] : indices.dims[i - (i > axis)]);
    }
    return true;
}

bool RunOneHot(const Call &call)
{
    const View &out = call.outputs[0];
    uint32_t axis = 0;
    Axis(call.node.One<int64_t>(OH_NN_ONE_HOT_AXIS, -1), out.shape.rank, axis);
    const int64_t inner = out.shape.Count(axis + 1, out.shape.rank), depth = out.shape.dims[axis];
    const size_t each = SizeOf(out.type);
    for (int64_t at = 0; at < out.shape.Count(); at++) {
        const int64_t row = at / (inner * depth), place = at / inner % depth;
        const bool hot = IndexAt(call.inputs[0], row * inner + at % inner) == place;
        memcpy(out.data + static_cast<size_t>(at) * each, call.inputs[hot ? 2 : 3].data, each);
    }
    return true;
}

}
