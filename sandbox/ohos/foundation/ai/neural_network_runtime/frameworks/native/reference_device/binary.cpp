// SPDX-License-Identifier: Apache-2.0
// Operations on two tensors, element by element, with one broadcast over the other.
#include "kernels.h"
#include "numbers.h"

#include <math.h>

namespace nnrt {
namespace {

// The kinds of result.
enum class Kind { SAME, TRUTH, LOGICAL };

Kind KindOf(OH_NN_OperationType op)
{
    switch (op) {
        case OH_NN_OPS_EQUAL:
        case OH_NN_OPS_NOT_EQUAL:
        case OH_NN_OPS_LESS:
        case OH_NN_OPS_LESS_EQUAL:
        case OH_NN_OPS_GREATER:
        case OH_NN_OPS_GREATER_EQUAL:
            return Kind::TRUTH;
        case OH_NN_OPS_LOGICAL_AND:
        case OH_NN_OPS_LOGICAL_OR:
            return Kind::LOGICAL;
        default:
            return Kind::SAME;
    }
}

OH_NN_TensorType ActivationOf(OH_NN_OperationType op)
{
    switch (op) {
        case OH_NN_OPS_ADD: return OH_NN_ADD_ACTIVATIONTYPE;
        case OH_NN_OPS_SUB: return OH_NN_SUB_ACTIVATIONTYPE;
        case OH_NN_OPS_MUL: return OH_NN_MUL_ACTIVATION_TYPE;
        case OH_NN_OPS_DIV: return OH_NN_DIV_ACTIVATIONTYPE;
        default: return OH_NN_TENSOR;
    }
}

// ELTWISE is one of three others, said by its mode.
OH_NN_OperationType Real(const Node &node)
{
    constexpr OH_NN_OperationType MODES[] = {OH_NN_OPS_MUL, OH_NN_OPS_ADD, OH_NN_OPS_MAXIMUM};
    const int8_t mode = node.op == OH_NN_OPS_ELTWISE ? node.One<int8_t>(OH_NN_ELTWISE_MODE, 0) : int8_t(-1);
    return mode >= 0 && mode < 3 ? MODES[mode] : node.op;
}

template <class C> C Divide(C a, C b)
{
    if constexpr (FLOATING<C>) {
        return a / b;
    } else {
        return b == 0 ? 0 : b == -1 ? static_cast<C>(0 - static_cast<uint64_t>(a)) : a / b;
    }
}

// The remainder has the sign of the divisor.
template <class C> C Remainder(C a, C b)
{
    if constexpr (FLOATING<C>) {
        const C rest = static_cast<C>(fmod(a, b));
        return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    } else {
        const C rest = b == 0 || b == -1 ? 0 : a % b;
        return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
}

// Whole numbers wrap, as the processor's do.
template <class C> C Plus(C a, C b) { if constexpr (FLOATING<C>) { return a + b; } else { return static_cast<C>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)); } }
template <class C> C Minus(C a, C b) { if constexpr (FLOATING<C>) { return a - b; } else { return static_cast<C>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b)); } }
template <class C> C Times(C a, C b) { if constexpr (FLOATING<C>) { return a * b; } else { return static_cast<C>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b)); } }

// `aStep` and `bStep` are 0 where one number meets a whole row.
template <class C, class F> void Row(const C *a, size_t aStep, const C *b, size_t bStep, C *out, size_t count, const F &f)
{
    if (aStep == 1 && bStep == 1) {
        for (size_t i = 0; i < count; i++) {
            out[i] = f(a[i], b[i]);
        }
    } else if (aStep == 1) {
        for (size_t i = 0; i < count; i++) {
            out[i] = f(a[i], *b);
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            out[i] = f(*a, b[i * bStep]);
        }
    }
}

template <class C> void Compute(const Node &node, OH_NN_OperationType op, const C *a, size_t aStep, const C *b, size_t bStep, C *out, size_t count)
{
    const auto row = [&](auto f) { Row(a, aStep, b, bStep, out, count, f); };
    switch (op) {
        case OH_NN_OPS_ADD:
        case OH_NN_OPS_BIAS_ADD: return row([](C x, C y) { return Plus(x, y); });
        case OH_NN_OPS_SUB: return row([](C x, C y) { return Minus(x, y); });
        case OH_NN_OPS_MUL: return row([](C x, C y) { return Times(x, y); });
        case OH_NN_OPS_DIV: return row([](C x, C y) { return Divide(x, y); });
        case OH_NN_OPS_MOD: return row([](C x, C y) { return Remainder(x, y); });
        case OH_NN_OPS_MAXIMUM: return row([](C x, C y) { return x > y || x != x ? x : y; });
        case OH_NN_OPS_MINIMUM: return row([](C x, C y) { return x < y || x != x ? x : y; });
        case OH_NN_OPS_SQUARED_DIFFERENCE: return row([](C x, C y) { return Times(Minus(x, y), Minus(x, y)); });
        case OH_NN_OPS_EQUAL: return row([](C x, C y) { return C(x == y); });
        case OH_NN_OPS_NOT_EQUAL: return row([](C x, C y) { return C(x != y); });
        case OH_NN_OPS_LESS: return row([](C x, C y) { return C(x < y); });
        case OH_NN_OPS_LESS_EQUAL: return row([](C x, C y) { return C(x <= y); });
        case OH_NN_OPS_GREATER: return row([](C x, C y) { return C(x > y); });
        case OH_NN_OPS_GREATER_EQUAL: return row([](C x, C y) { return C(x >= y); });
        case OH_NN_OPS_LOGICAL_AND: return row([](C x, C y) { return C(x != 0 && y != 0); });
        case OH_NN_OPS_LOGICAL_OR: return row([](C x, C y) { return C(x != 0 || y != 0); });
        case OH_NN_OPS_PRELU: return row([](C x, C y) { return x < 0 ? Times(x, y) : x; });
        case OH_NN_OPS_POW: {
            const float scale = node.One<float>(OH_NN_POW_SCALE, 1), shift = node.One<float>(OH_NN_POW_SHIFT, 0);
            return row([=](C x, C y) { return static_cast<C>(pow(static_cast<double>(scale) * static_cast<double>(x) + static_cast<double>(shift), static_cast<double>(y))); });
        }
        default: return;
    }
}

// How far an operand moves with each dimension of the output.
Shape Steps(const Shape &operand, const Shape &out)
{
    Shape steps;
    steps.rank = out.rank;
    int64_t step = 1;
    for (uint32_t i = operand.rank; i-- > 0;) {
        steps.dims[i + out.rank - operand.rank] = operand.dims[i] == 1 ? 0 : step;
        step *= operand.dims[i];
    }
    return steps;
}

// Dimensions that both operands run through in one go are one.
void Join(Shape &out, Shape &a, Shape &b)
{
    Shape joined, joinedA, joinedB;
    for (uint32_t i = 0; i < out.rank; i++) {
        if (out.dims[i] == 1) {
            continue;
        }
        const uint32_t last = joined.rank - 1;
        if (joined.rank > 0 && joinedA.dims[last] == a.dims[i] * out.dims[i] && joinedB.dims[last] == b.dims[i] * out.dims[i]) {
            joined.dims[last] *= out.dims[i];
            joinedA.dims[last] = a.dims[i];
            joinedB.dims[last] = b.dims[i];
        } else {
            joined.Push(out.dims[i]);
            joinedA.Push(a.dims[i]);
            joinedB.Push(b.dims[i]);
        }
    }
    if (joined.rank == 0) {
        joined.Push(1);
        joinedA.Push(0);
        joinedB.Push(0);
    }
    out = joined;
    a = joinedA;
    b = joinedB;
}

// Where an operand is for the row `row` of the output.
int64_t Offset(const Shape &out, const Shape &steps, int64_t row)
{
    int64_t offset = 0;
    for (uint32_t i = out.rank - 1; i-- > 0;) {
        offset += row % out.dims[i] * steps.dims[i];
        row /= out.dims[i];
    }
    return offset;
}

template <class C> void Rows(const Call &call, C)
{
    const View &a = call.inputs[0], &b = call.inputs[1], &out = call.outputs[0];
    Shape shape = out.shape, aSteps = Steps(a.shape, shape), bSteps = Steps(b.shape, shape);
    Join(shape, aSteps, bSteps);
    const OH_NN_OperationType op = Real(call.node);
    int8_t activation = OH_NN_FUSED_NONE;
    Activation(call.node, ActivationOf(call.node.op), activation);
    const int64_t wide = shape.dims[shape.rank - 1], count = shape.Count();
    const auto aStep = static_cast<size_t>(aSteps.dims[shape.rank - 1]), bStep = static_cast<size_t>(bSteps.dims[shape.rank - 1]);
    const int64_t piece = CHUNK * 32;
    call.pool.For(static_cast<size_t>((count + piece - 1) / piece), [&](size_t part) {
        const int64_t end = (static_cast<int64_t>(part) + 1) * piece < count ? (static_cast<int64_t>(part) + 1) * piece : count;
        C one[CHUNK], two[CHUNK], made[CHUNK];
        for (int64_t at = static_cast<int64_t>(part) * piece; at < end;) {
            const int64_t row = at / wide, column = at % wide, rest = wide - column < end - at ? wide - column : end - at;
            const size_t some = rest < static_cast<int64_t>(CHUNK) ? static_cast<size_t>(rest) : CHUNK;
            LoadNumbers(a, Offset(shape, aSteps, row) + column * static_cast<int64_t>(aStep), aStep == 0 ? 1 : some, one);
            LoadNumbers(b, Offset(shape, bSteps, row) + column * static_cast<int64_t>(bStep), bStep == 0 ? 1 : some, two);
            Compute(call.node, op, one, aStep, two, bStep, made, some);
            if constexpr (std::is_same<C, float>::value) {
                Activate(activation, made, some);
            }
            StoreNumbers(made, out, at, some);
            at += static_cast<int64_t>(some);
        }
    });
}

}

bool InferBinary(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const View &a = inputs[0], &b = inputs[1];
    int8_t activation = 0;
    if (a.type != b.type || !Activation(node, ActivationOf(node.op), activation) || !Broadcast(a.shape, b.shape, outputs[0].shape) ||
        (activation != OH_NN_FUSED_NONE && a.type != OH_NN_FLOAT16 && a.type != OH_NN_FLOAT32)) {
        return false;
    }
    const Kind kind = KindOf(node.op);
    outputs[0].type = kind == Kind::TRUTH ? OH_NN_BOOL : a.type;
    if (kind == Kind::LOGICAL) {
        return a.type == OH_NN_BOOL;
    }
    if ((node.op == OH_NN_OPS_BIAS_ADD || node.op == OH_NN_OPS_PRELU) && outputs[0].shape != a.shape) {
        return false;
    }
    return IsNumber(a.type) || (kind == Kind::TRUTH && a.type == OH_NN_BOOL);
}

bool RunBinary(const Call &call)
{
    ByNumber(call.inputs[0].type, [&](auto zero) { Rows(call, zero); });
    return true;
}

}
