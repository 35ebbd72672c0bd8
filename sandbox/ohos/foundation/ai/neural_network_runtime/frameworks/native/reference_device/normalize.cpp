// SPDX-License-Identifier: Apache-2.0
// Operations that look at a whole row before they write it.
#include "kernels.h"
#include "numbers.h"

#include <math.h>

namespace nnrt {

bool InferSoftmax(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const View &x = inputs[0];
    uint32_t axis = 0;
    const bool log = node.op == OH_NN_OPS_LOG_SOFTMAX;
    outputs[0].type = x.type;
    outputs[0].shape = x.shape;
    return (x.type == OH_NN_FLOAT16 || x.type == OH_NN_FLOAT32) &&
           Axis(log ? node.One<int64_t>(OH_NN_LOG_SOFTMAX_AXIS, 0) : node.One<int64_t>(OH_NN_SOFTMAX_AXIS, -1), x.shape.rank, axis);
}

bool RunSoftmax(const Call &call)
{
    const View &x = call.inputs[0], &out = call.outputs[0];
    const bool log = call.node.op == OH_NN_OPS_LOG_SOFTMAX;
    uint32_t axis = 0;
    Axis(log ? call.node.One<int64_t>(OH_NN_LOG_SOFTMAX_AXIS, 0) : call.node.One<int64_t>(OH_NN_SOFTMAX_AXIS, -1), x.shape.rank, axis);
    const int64_t outer = x.shape.Count(0, axis), length = x.shape.dims[axis], inner = x.shape.Count(axis + 1, x.shape.rank);
    call.pool.For(static_cast<size_t>(outer), [&](size_t row) {
        std::vector<float> numbers(static_cast<size_t>(length * inner));
        const int64_t at = static_cast<int64_t>(row) * length * inner;
        LoadNumbers(x, at, numbers.size(), numbers.data());
        for (int64_t j = 0; j < inner; j++) {
            float most = -INFINITY, sum = 0;
            for (int64_t i = 0; i < length; i++) {
                most = fmaxf(most, numbers[static_cast<size_t>(i * inner + j)]);
            }
            for (int64_t i = 0; i < length; i++) {
                float &number = numbers[static_cast<size_t>(i * inner + j)];
                number -= most;
                sum += expf(number);
            }
            for (int64_t i = 0; i < length; i++) {
                float &number = numbers[static_cast<size_t>(i * inner + j)];
                number = log ? number - logf(sum) : expf(number) / sum;
            }
        }
        StoreNumbers(numbers.data(), out, at, numbers.size());
    });
    return true;
}

}
