// SPDX-License-Identifier: Apache-2.0
// Operations that make one number of many along axes: sums and their kin, the largest and where it is.
#include "inner/gate.h"
#include "kernels.h"
#include "numbers.h"
#include "strided.h"

#include <algorithm>
#include <math.h>

namespace nnrt {
namespace {

struct Kinds { OH_NN_TensorType keep, toEnd, coefficient; };

Kinds KindsOf(OH_NN_OperationType op)
{
    switch (op) {
        case OH_NN_OPS_REDUCE_MEAN: return {OH_NN_REDUCE_MEAN_KEEP_DIMS, OH_NN_REDUCE_MEAN_REDUCE_TO_END, OH_NN_REDUCE_MEAN_COEFF};
        case OH_NN_OPS_REDUCE_PROD: return {OH_NN_REDUCE_PROD_KEEP_DIMS, OH_NN_REDUCE_PROD_REDUCE_TO_END, OH_NN_REDUCE_PROD_COEFF};
        case OH_NN_OPS_REDUCE_ALL: return {OH_NN_REDUCE_ALL_KEEP_DIMS, OH_NN_REDUCE_ALL_REDUCE_TO_END, OH_NN_REDUCE_ALL_COEFF};
        case OH_NN_OPS_REDUCE_MAX: return {OH_NN_REDUCE_MAX_KEEP_DIMS, OH_NN_REDUCE_MAX_REDUCE_TO_END, OH_NN_REDUCE_MAX_COEFF};
        case OH_NN_OPS_REDUCE_MIN: return {OH_NN_REDUCE_MIN_KEEP_DIMS, OH_NN_REDUCE_MIN_REDUCE_TO_END, OH_NN_REDUCE_MIN_COEFF};
        case OH_NN_OPS_REDUCE_L2: return {OH_NN_REDUCE_L2_KEEP_DIMS, OH_NN_REDUCE_L2_REDUCE_TO_END, OH_NN_REDUCE_L2_COEFF};
        default: return {OH_NN_REDUCE_SUM_KEEP_DIMS, OH_NN_REDUCE_SUM_REDUCE_TO_END, OH_NN_REDUCE_SUM_COEFF};
    }
}

bool Keeps(const Node &node)
{
    return node.op == OH_NN_OPS_ALL ? node.One<int64_t>(OH_NN_ALL_KEEP_DIMS, 0) != 0 : node.One<bool>(KindsOf(node.op).keep, false);
}

// The axes that go; all if none is named.
bool Axes(const Node &node, const std::vector<View> &inputs, bool (&gone)[MOST_RANK])
{
    std::vector<int64_t> said;
    const uint32_t rank = inputs[0].shape.rank;
    if (!Integers(inputs[1], said)) {
        return false;
    }
    for (bool &one : gone) {
        one = said.empty();
    }
    for (int64_t one : said) {
        uint32_t axis = 0;
        if (!Axis(one, rank, axis)) {
            return false;
        }
        gone[axis] = true;
        for (uint32_t i = axis; i < rank && node.One<bool>(KindsOf(node.op).toEnd, false); i++) {
            gone[i] = true;
        }
    }
    return true;
}

// Sums of floats are kept in double precision: thousands of terms would cost digits.
template <class C> using Sum = typename std::conditional<std::is_same<C, float>::value, double, C>::type;

template <class C> C Start(OH_NN_OperationType op, C first)
{
    switch (op) {
        case OH_NN_OPS_REDUCE_PROD:
        case OH_NN_OPS_REDUCE_ALL:
        case OH_NN_OPS_ALL: return 1;
        case OH_NN_OPS_REDUCE_MAX:
        case OH_NN_OPS_REDUCE_MIN: return first;
        default: return 0;
    }
}

template <class C> C Next(OH_NN_OperationType op, C so, C number)
{
    switch (op) {
        case OH_NN_OPS_REDUCE_PROD: return so * number;
        case OH_NN_OPS_REDUCE_ALL:
        case OH_NN_OPS_ALL: return so != 0 && number != 0;
        case OH_NN_OPS_REDUCE_MAX: return number > so || number != number ? number : so;
        case OH_NN_OPS_REDUCE_MIN: return number < so || number != number ? number : so;
        case OH_NN_OPS_REDUCE_L2: return so + number * number;
        default: return so + number;
    }
}

template <class C> C Last(const Node &node, C so, int64_t count)
{
    C made = node.op == OH_NN_OPS_REDUCE_MEAN ? so / static_cast<C>(count) : node.op == OH_NN_OPS_REDUCE_L2 ? static_cast<C>(sqrt(static_cast<double>(so))) : so;
    // A framework that was told nothing hands the device a factor of 0, from API 12 on. Strictly, that is the factor.
    const float factor = node.One<float>(KindsOf(node.op).coefficient, 0);
    if (node.op != OH_NN_OPS_ALL && (factor != 0 || (TheSettings().strict && TheSettings().level >= 12))) {
        made = static_cast<C>(static_cast<double>(made) * static_cast<double>(factor));
    }
    return made;
}

template <class C> void Reduce(const Call &call, C)
{
    const View &x = call.inputs[0], &out = call.outputs[0];
    bool gone[MOST_RANK];
    Axes(call.node, call.inputs, gone);
    const Shape steps = Dense(x.shape);
    Shape left, leftSteps, inner, innerSteps;
    for (uint32_t i = 0; i < x.shape.rank; i++) {
        (gone[i] ? inner : left).Push(x.shape.dims[i]);
        (gone[i] ? innerSteps : leftSteps).Push(steps.dims[i]);
    }
    const auto place = [](const Shape &shape, const Shape &by, int64_t at) {
        int64_t offset = 0;
        for (uint32_t i = shape.rank; i-- > 0; at /= shape.dims[i]) {
            offset += at % shape.dims[i] * by.dims[i];
        }
        return offset;
    };
    // What goes is walked in rows of its last dimension.
    const int64_t count = inner.Count(), wide = inner.rank == 0 ? 1 : inner.dims[inner.rank - 1], step = inner.rank == 0 ? 1 : innerSteps.dims[inner.rank - 1];
    call.pool.For(static_cast<size_t>(left.Count()), [&](size_t at) {
        const int64_t base = place(left, leftSteps, static_cast<int64_t>(at));
        C numbers[CHUNK];
        LoadNumbers(x, base, 1, numbers);
        auto so = Start(call.node.op, static_cast<Sum<C>>(numbers[0]));
        for (int64_t row = 0; row < count; row += wide) {
            const int64_t from = base + place(inner, innerSteps, row);
            for (int64_t column = 0; column < wide; column += CHUNK) {
                const auto some = static_cast<size_t>(std::min<int64_t>(wide - column, CHUNK));
                for (size_t i = 0; step != 1 && i < some; i++) {
                    LoadNumbers(x, from + (column + static_cast<int64_t>(i)) * step, 1, numbers + i);
                }
                if (step == 1) {
                    LoadNumbers(x, from + column, some, numbers);
                }
                for (size_t i = 0; i < some; i++) {
                    so = Next(call.node.op, so, static_cast<Sum<C>>(numbers[i]));
                }
            }
        }
        so = Last(call.node, so, count);
        StoreNumbers(&so, out, static_cast<int64_t>(at), 1);
    });
}

// Rows along an axis of a tensor: outer and inner positions, and the axis itself.
struct Rows {
    int64_t outer, length, inner;
};

Rows RowsOf(const Shape &shape, uint32_t axis) { return {shape.Count(0, axis), shape.dims[axis], shape.Count(axis + 1, shape.rank)}; }

bool TopAxis(const Node &node, const std::vector<View> &inputs, uint32_t &axis)
{
    const bool top = node.op == OH_NN_OPS_TOP_K;
    return Axis(top ? node.One<int64_t>(OH_NN_TOP_K_AXIS, 0) : node.One<int64_t>(OH_NN_ARG_MAX_AXIS, -1), inputs[0].shape.rank, axis);
}

bool HowMany(const Node &node, const std::vector<View> &inputs, int64_t &k)
{
    std::vector<int64_t> said;
    if (node.op == OH_NN_OPS_ARG_MAX) {
        k = node.One<int64_t>(OH_NN_ARG_MAX_TOP_K, 1);
        return true;
    }
    if (!Integers(inputs[1], said) || said.size() != 1) {
        return false;
    }
    k = said[0];
    return true;
}

template <class C> void Top(const Call &call, uint32_t axis, int64_t k, C)
{
    const View &x = call.inputs[0];
    const Rows rows = RowsOf(x.shape, axis);
    const bool argMax = call.node.op == OH_NN_OPS_ARG_MAX;
    const bool values = !argMax || call.node.One<bool>(OH_NN_ARG_MAX_OUT_MAX_VALUE, false);
    std::vector<C> numbers(static_cast<size_t>(rows.length));
    std::vector<int64_t> order(numbers.size());
    for (int64_t row = 0; row < rows.outer * rows.inner; row++) {
        const int64_t base = row / rows.inner * rows.length * rows.inner + row % rows.inner;
        for (size_t i = 0; i < numbers.size(); i++) {
            LoadNumbers(x, base + static_cast<int64_t>(i) * rows.inner, 1, &numbers[i]);
            order[i] = static_cast<int64_t>(i);
        }
        std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return numbers[static_cast<size_t>(a)] > numbers[static_cast<size_t>(b)]; });
        for (int64_t i = 0; i < k; i++) {
            const int64_t into = row / rows.inner * k * rows.inner + i * rows.inner + row % rows.inner, best = order[static_cast<size_t>(i)];
            if (values) {
                StoreNumbers(&numbers[static_cast<size_t>(best)], call.outputs[0], into, 1);
            }
            if (!argMax || !values) {
                StoreNumbers(&best, call.outputs[argMax ? 0 : 1], into, 1);
            }
        }
    }
}

}

bool InferReduce(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const View &x = inputs[0];
    const bool truth = node.op == OH_NN_OPS_ALL || node.op == OH_NN_OPS_REDUCE_ALL;
    outputs[0].type = x.type;
    outputs[0].open = inputs[1].data == nullptr;
    if (truth ? x.type != OH_NN_BOOL : !IsNumber(x.type)) {
        return false;
    }
    bool gone[MOST_RANK];
    if (outputs[0].open) {
        return true;
    }
    if (!Axes(node, inputs, gone)) {
        return false;
    }
    outputs[0].shape = Shape();
    for (uint32_t i = 0; i < x.shape.rank; i++) {
        if (!gone[i] || Keeps(node)) {
            outputs[0].shape.Push(gone[i] ? 1 : x.shape.dims[i]);
        }
    }
    return true;
}

bool RunReduce(const Call &call)
{
    ByNumber(call.inputs[0].type, [&](auto zero) { Reduce(call, zero); });
    return true;
}

bool InferTop(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const View &x = inputs[0];
    uint32_t axis = 0;
    int64_t k = 0;
    if (!IsNumber(x.type) || !TopAxis(node, inputs, axis) || !HowMany(node, inputs, k) || k < 1 || k > x.shape.dims[axis]) {
        return false;
    }
    Shape shape = x.shape;
    shape.dims[axis] = k;
    const bool argMax = node.op == OH_NN_OPS_ARG_MAX;
    if (argMax && k == 1 && !node.One<bool>(OH_NN_ARG_MAX_KEEPDIMS, false)) {
        shape = Shape();
        for (uint32_t i = 0; i < x.shape.rank; i++) {
            if (i != axis) {
                shape.Push(x.shape.dims[i]);
            }
        }
    }
    const bool values = !argMax || node.One<bool>(OH_NN_ARG_MAX_OUT_MAX_VALUE, false);
    outputs[0].shape = shape;
    if (values) {
        outputs[0].type = x.type;
    }
    View &places = outputs[argMax ? 0 : 1];
    places.shape = shape;
    return (argMax && values) || places.type == OH_NN_INT32 || places.type == OH_NN_INT64;
}

bool RunTop(const Call &call)
{
    uint32_t axis = 0;
    int64_t k = 0;
    TopAxis(call.node, call.inputs, axis);
    HowMany(call.node, call.inputs, k);
    ByNumber(call.inputs[0].type, [&](auto zero) { Top(call, axis, k, zero); });
    return true;
}

}
