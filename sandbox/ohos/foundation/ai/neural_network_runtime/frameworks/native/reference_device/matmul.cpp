// SPDX-License-Identifier: Apache-2.0
// MATMUL and FULL_CONNECTION: matrices, batches of them, and a constant right-hand side that was laid out when compiling.
#include "inner/gate.h"
#include "kernels.h"
#include "numbers.h"

namespace nnrt {
namespace {

bool OneFloatType(const View &a, const View &b)
{
    return a.type == b.type && (a.type == OH_NN_FLOAT16 || a.type == OH_NN_FLOAT32);
}

// The batch dimensions: all but the last two.
Shape Batch(const Shape &shape)
{
    Shape batch = shape;
    batch.rank -= 2;
    return batch;
}

// Which matrix of an operand belongs to the matrix `index` of the output.
int64_t Which(const Shape &operand, const Shape &out, int64_t index)
{
    int64_t which = 0, step = 1;
    for (uint32_t i = 0; i < operand.rank; i++) {
        const int64_t dim = operand.dims[operand.rank - 1 - i], wide = out.dims[out.rank - 1 - i];
        which += dim == 1 ? 0 : index % wide * step;
        step *= dim;
        index /= wide;
    }
    return which;
}

// Rows of floats: the tensor's own if that is what it holds, else a copy; turned if `turned` (then `rows` is of the result).
const float *Rows(const Call &call, const View &view, int64_t at, size_t rows, size_t columns, bool turned)
{
    if (view.type == OH_NN_FLOAT32 && !turned) {
        return view.As<float>() + at;
    }
    float *into = call.Scratch(0, rows * columns);
    if (!turned) {
        const size_t piece = 16384, count = rows * columns;
        call.pool.For((count + piece - 1) / piece, [&](size_t part) {
            const size_t first = part * piece;
            LoadNumbers(view, at + static_cast<int64_t>(first), count - first < piece ? count - first : piece, into + first);
        });
        return into;
    }
    for (size_t column = 0; column < columns; column++) {
        for (size_t row = 0; row < rows; row++) {
            LoadNumbers(view, at + static_cast<int64_t>(column * rows + row), 1, into + row * columns + column);
        }
    }
    return into;
}

// Adds the bias, activates, and stores the rows of a product.
void Finish(const Call &call, float *product, int64_t at, size_t rows, size_t columns, const View *bias, int8_t activation)
{
    const View &out = call.outputs[0];
    const float *add = nullptr;
    if (bias != nullptr) {
        float *numbers = call.Scratch(2, columns);
        LoadNumbers(*bias, 0, columns, numbers);
        add = numbers;
    }
    if (add == nullptr && activation == OH_NN_FUSED_NONE && out.type == OH_NN_FLOAT32) {
        return;
    }
    call.pool.For(rows, [&](size_t row) {
        float *numbers = product + row * columns;
        for (size_t i = 0; add != nullptr && i < columns; i++) {
            numbers[i] += add[i];
        }
        Activate(activation, numbers, columns);
        if (out.type != OH_NN_FLOAT32) {
            StoreNumbers(numbers, out, at + static_cast<int64_t>(row * columns), columns);
        }
    });
}

// The product of rows with what is packed, into the output from `at` on.
void Product(const Call &call, const float *a, size_t rows, const Packed &b, int64_t at, const View *bias, int8_t activation)
{
    const View &out = call.outputs[0];
    float *product = out.type == OH_NN_FLOAT32 ? out.As<float>() + at : call.Scratch(1, rows * b.n);
    Multiply(call.pool, a, rows, b, product, call.narrow);
    Finish(call, product, at, rows, b.n, bias, activation);
}

Matrix MatrixAt(const View &view, int64_t at, size_t rowStride, size_t columnStride)
{
    const size_t each = SizeOf(view.type);
    return {view.data + static_cast<size_t>(at) * each, view.type == OH_NN_FLOAT16, rowStride, columnStride};
}

bool Turned(const Node &node, OH_NN_TensorType kind) { return node.One<bool>(kind, false); }

}

int MatrixOf(const Node &node, const std::vector<View> &inputs, Matrix &matrix, size_t &n, size_t &k)
{
    const bool product = node.op == OH_NN_OPS_MATMUL || node.op == OH_NN_OPS_FULL_CONNECTION;
    if (!product || inputs[1].data == nullptr || inputs[1].shape.rank < 2 || Batch(inputs[1].shape).Count() != 1) {
        return -1;
    }
    const View &b = inputs[1];
    const auto rows = static_cast<size_t>(b.shape.dims[b.shape.rank - 2]), columns = static_cast<size_t>(b.shape.dims[b.shape.rank - 1]);
    const bool turned = node.op == OH_NN_OPS_FULL_CONNECTION || Turned(node, OH_NN_MATMUL_TRANSPOSE_B);
    n = turned ? rows : columns;
    k = turned ? columns : rows;
    matrix = turned ? MatrixAt(b, 0, columns, 1) : MatrixAt(b, 0, 1, columns);
    return 1;
}

bool InferMatMul(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const Shape &a = inputs[0].shape, &b = inputs[1].shape;
    int8_t activation = 0;
    Shape &out = outputs[0].shape;
    if (!OneFloatType(inputs[0], inputs[1]) || a.rank < 2 || b.rank < 2 || !Broadcast(Batch(a), Batch(b), out) ||
        !Activation(node, OH_NN_MATMUL_ACTIVATION_TYPE, activation)) {
        return false;
    }
    const bool aTurned = Turned(node, OH_NN_MATMUL_TRANSPOSE_A), bTurned = Turned(node, OH_NN_MATMUL_TRANSPOSE_B);
    out.Push(a.dims[a.rank - (aTurned ? 1 : 2)]);
    out.Push(b.dims[b.rank - (bTurned ? 2 : 1)]);
    outputs[0].type = inputs[0].type;
    return a.dims[a.rank - (aTurned ? 2 : 1)] == b.dims[b.rank - (bTurned ? 1 : 2)];
}

bool RunMatMul(const Call &call)
{
    const View &a = call.inputs[0], &b = call.inputs[1], &out = call.outputs[0];
    const bool aTurned = Turned(call.node, OH_NN_MATMUL_TRANSPOSE_A), bTurned = Turned(call.node, OH_NN_MATMUL_TRANSPOSE_B);
    const auto m = static_cast<size_t>(out.shape.dims[out.shape.rank - 2]), n = static_cast<size_t>(out.shape.dims[out.shape.rank - 1]);
    const auto k = static_cast<size_t>(a.shape.dims[a.shape.rank - (aTurned ? 2 : 1)]);
    int8_t activation = 0;
    Activation(call.node, OH_NN_MATMUL_ACTIVATION_TYPE, activation);
    const Shape outBatch = Batch(out.shape), aBatch = Batch(a.shape), bBatch = Batch(b.shape);
    if (call.packed != nullptr && !aTurned && aBatch.Count() == outBatch.Count()) {      // one tall matrix
        Product(call, Rows(call, a, 0, m * static_cast<size_t>(outBatch.Count()), k, false), m * static_cast<size_t>(outBatch.Count()),
                *call.packed, 0, nullptr, activation);
        return true;
    }
    for (int64_t i = 0; i < outBatch.Count(); i++) {
        const float *rows = Rows(call, a, Which(aBatch, outBatch, i) * static_cast<int64_t>(m * k), m, k, aTurned);
        const Packed *packed = call.packed;
        if (packed == nullptr) {
            const int64_t at = Which(bBatch, outBatch, i) * static_cast<int64_t>(n * k);
            const Matrix matrix = bTurned ? MatrixAt(b, at, k, 1) : MatrixAt(b, at, 1, n);
            if (!Pack(call.pool, matrix, n, k, false, call.scratchPacked)) {
                return false;
            }
            packed = &call.scratchPacked;
        }
        Product(call, rows, m, *packed, i * static_cast<int64_t>(m * n), nullptr, activation);
    }
    return true;
}

// x is flattened from the axis on if one is used, else into rows as long as those of the weight.
bool InferFullConnection(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const View &x = inputs[0], &weight = inputs[1];
    int8_t activation = 0;
    const bool said = node.One<bool>(OH_NN_FULL_CONNECTION_HAS_BIAS, TheSettings().level < 12);
    if (!OneFloatType(x, weight) || weight.shape.rank != 2 || x.shape.rank == 0 || said != (inputs.size() == 3) ||
        !Activation(node, OH_NN_FULL_CONNECTION_ACTIVATIONTYPE, activation)) {
        return false;
    }
    const int64_t out = weight.shape.dims[0], in = weight.shape.dims[1];
    if (inputs.size() == 3 && (inputs[2].type != x.type || inputs[2].shape.rank != 1 || inputs[2].shape.dims[0] != out)) {
        return false;
    }
    outputs[0].type = x.type;
    Shape &shape = outputs[0].shape;
    if (node.One<bool>(OH_NN_FULL_CONNECTION_USE_AXIS, TheSettings().level < 12 && node.Find(OH_NN_FULL_CONNECTION_AXIS) != nullptr)) {
        uint32_t axis = 0;
        if (!Axis(node.One<int64_t>(OH_NN_FULL_CONNECTION_AXIS, 0), x.shape.rank, axis) || x.shape.Count(axis, x.shape.rank) != in) {
            return false;
        }
        shape = x.shape;
        shape.rank = axis;
    } else {
        if (x.shape.Count() % in != 0) {
            return false;
        }
        shape.rank = 0;
        shape.Push(x.shape.Count() / in);
    }
    shape.Push(out);
    return true;
}

bool RunFullConnection(const Call &call)
{
    const View &x = call.inputs[0], &weight = call.inputs[1];
    const auto out = static_cast<size_t>(weight.shape.dims[0]), in = static_cast<size_t>(weight.shape.dims[1]);
    const size_t rows = static_cast<size_t>(x.shape.Count()) / in;
    int8_t activation = 0;
    Activation(call.node, OH_NN_FULL_CONNECTION_ACTIVATIONTYPE, activation);
    const Packed *packed = call.packed;
    if (packed == nullptr) {
        if (!Pack(call.pool, MatrixAt(weight, 0, in, 1), out, in, false, call.scratchPacked)) {
            return false;
        }
        packed = &call.scratchPacked;
    }
    Product(call, Rows(call, x, 0, rows, in, false), rows, *packed, 0, call.inputs.size() == 3 ? &call.inputs[2] : nullptr, activation);
    return true;
}

}
