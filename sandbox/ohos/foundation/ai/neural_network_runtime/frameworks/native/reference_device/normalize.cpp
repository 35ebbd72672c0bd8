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

namespace {

bool SmallFloat(const View &view) { return view.type == OH_NN_FLOAT16 || view.type == OH_NN_FLOAT32; }

std::vector<float> All(const View &view)
{
    std::vector<float> numbers(static_cast<size_t>(view.shape.Count()));
    LoadNumbers(view, 0, numbers.size(), numbers.data());
    return numbers;
}

float Mean(const float *numbers, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += static_cast<double>(numbers[i]);
    }
    return static_cast<float>(sum / static_cast<double>(count));
}

float Variance(const float *numbers, size_t count, float mean)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += static_cast<double>(numbers[i] - mean) * static_cast<double>(numbers[i] - mean);
    }
    return static_cast<float>(sum / static_cast<double>(count));
}

bool NormAxis(const Node &node, const Shape &shape, uint32_t &axis)
{
    return Axis(node.One<int64_t>(OH_NN_LAYER_NORM_BEGIN_NORM_AXIS, 1), shape.rank, axis) && axis > 0;
}

}

// LAYER_NORM: x, gamma, beta; the normalized part begins at an axis.
bool InferLayerNorm(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const View &x = inputs[0];
    uint32_t axis = 0;
    outputs[0].type = x.type;
    outputs[0].shape = x.shape;
    return SmallFloat(x) && inputs[1].type == x.type && inputs[2].type == x.type && NormAxis(node, x.shape, axis) &&
           inputs[1].shape.Count() == x.shape.Count(axis, x.shape.rank) && inputs[2].shape.Count() == inputs[1].shape.Count();
}

bool RunLayerNorm(const Call &call)
{
    const View &x = call.inputs[0], &out = call.outputs[0];
    uint32_t axis = 0;
    NormAxis(call.node, x.shape, axis);
    const float epsilon = call.node.One<float>(OH_NN_LAYER_NORM_EPSILON, 1e-7f);
    const std::vector<float> gamma = All(call.inputs[1]), beta = All(call.inputs[2]);
    call.pool.For(static_cast<size_t>(x.shape.Count(0, axis)), [&](size_t row) {
        std::vector<float> numbers(gamma.size());
        LoadNumbers(x, static_cast<int64_t>(row * numbers.size()), numbers.size(), numbers.data());
        const float mean = Mean(numbers.data(), numbers.size());
        const float scale = 1 / sqrtf(Variance(numbers.data(), numbers.size(), mean) + epsilon);
        for (size_t i = 0; i < numbers.size(); i++) {
            numbers[i] = (numbers[i] - mean) * scale * gamma[i] + beta[i];
        }
        StoreNumbers(numbers.data(), out, static_cast<int64_t>(row * numbers.size()), numbers.size());
    });
    return true;
}

// L2_NORMALIZE: x / sqrt(max(sum of squares, epsilon)) along one axis (the last if none is named).
bool InferL2Normalize(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const std::vector<int64_t> axes = node.Many(OH_NN_L2_NORMALIZE_AXIS);
    uint32_t axis = 0;
    int8_t activation = 0;
    outputs[0].type = inputs[0].type;
    outputs[0].shape = inputs[0].shape;
    return SmallFloat(inputs[0]) && axes.size() < 2 && Axis(axes.empty() ? -1 : axes[0], inputs[0].shape.rank, axis) &&
           Activation(node, OH_NN_L2_NORMALIZE_ACTIVATION_TYPE, activation);
}

bool RunL2Normalize(const Call &call)
{
    const View &x = call.inputs[0], &out = call.outputs[0];
    const std::vector<int64_t> axes = call.node.Many(OH_NN_L2_NORMALIZE_AXIS);
    uint32_t axis = 0;
    int8_t activation = 0;
    Axis(axes.empty() ? -1 : axes[0], x.shape.rank, axis);
    Activation(call.node, OH_NN_L2_NORMALIZE_ACTIVATION_TYPE, activation);
    const float epsilon = call.node.One<float>(OH_NN_L2_NORMALIZE_EPSILON, 1e-6f);
    const auto length = static_cast<size_t>(x.shape.dims[axis]), inner = static_cast<size_t>(x.shape.Count(axis + 1, x.shape.rank));
    call.pool.For(static_cast<size_t>(x.shape.Count(0, axis)), [&](size_t row) {
        std::vector<float> numbers(length * inner);
        LoadNumbers(x, static_cast<int64_t>(row * numbers.size()), numbers.size(), numbers.data());
        for (size_t j = 0; j < inner; j++) {
            float sum = 0;
            for (size_t i = 0; i < length; i++) {
                sum += numbers[i * inner + j] * numbers[i * inner + j];
            }
            const float scale = 1 / sqrtf(sum > epsilon ? sum : epsilon);
            for (size_t i = 0; i < length; i++) {
                numbers[i * inner + j] *= scale;
            }
        }
        Activate(activation, numbers.data(), numbers.size());
        StoreNumbers(numbers.data(), out, static_cast<int64_t>(row * numbers.size()), numbers.size());
    });
    return true;
}

// BATCH_NORM: x, scale, offset, mean, variance for each number of the last axis; SCALE: x, scale, bias along an axis;
// INSTANCE_NORM: x, gamma, beta, over height and width of NHWC.
bool InferChannels(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const View &x = inputs[0];
    const int64_t said = node.op == OH_NN_OPS_SCALE ? node.One<int64_t>(OH_NN_SCALE_AXIS, -1) : -1;
    uint32_t axis = 0;
    int8_t activation = 0;
    outputs[0].type = x.type;
    outputs[0].shape = x.shape;
    if (!SmallFloat(x) || !Axis(said, x.shape.rank, axis) || !Activation(node, OH_NN_SCALE_ACTIVATIONTYPE, activation) ||
        (node.op == OH_NN_OPS_INSTANCE_NORM && x.shape.rank != 4)) {
        return false;
    }
    for (size_t i = 1; i < inputs.size(); i++) {
        if (inputs[i].type != x.type || inputs[i].shape.Count() != x.shape.dims[axis]) {
            return false;
        }
    }
    return true;
}

namespace {

// Factor and shift of each channel of one image.
void ForInstance(const Call &call, int64_t image, std::vector<float> &factor, std::vector<float> &shift)
{
    const View &x = call.inputs[0];
    const size_t channels = factor.size(), pixels = static_cast<size_t>(x.shape.dims[1] * x.shape.dims[2]);
    std::vector<float> all(pixels * channels), one(pixels), gamma = All(call.inputs[1]), beta = All(call.inputs[2]);
    LoadNumbers(x, image * static_cast<int64_t>(all.size()), all.size(), all.data());
    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < pixels; i++) {
            one[i] = all[i * channels + c];
        }
        const float mean = Mean(one.data(), pixels);
        factor[c] = gamma[c] / sqrtf(Variance(one.data(), pixels, mean) + call.node.One<float>(OH_NN_INSTANCE_NORM_EPSILON, 0));
        shift[c] = beta[c] - mean * factor[c];
    }
}

}

bool RunChannels(const Call &call)
{
    const View &x = call.inputs[0], &out = call.outputs[0];
    const OH_NN_OperationType op = call.node.op;
    uint32_t axis = 0;
    int8_t activation = 0;
    Axis(op == OH_NN_OPS_SCALE ? call.node.One<int64_t>(OH_NN_SCALE_AXIS, -1) : -1, x.shape.rank, axis);
    Activation(call.node, OH_NN_SCALE_ACTIVATIONTYPE, activation);
    std::vector<float> factor = All(call.inputs[1]), shift = All(call.inputs[2]);
    if (op == OH_NN_OPS_BATCH_NORM) {
        const std::vector<float> mean = All(call.inputs[3]), variance = All(call.inputs[4]);
        for (size_t i = 0; i < factor.size(); i++) {
            factor[i] /= sqrtf(variance[i] + call.node.One<float>(OH_NN_BATCH_NORM_EPSILON, 0.0001f));
            shift[i] -= mean[i] * factor[i];
        }
    }
    const int64_t dim = x.shape.dims[axis], inner = x.shape.Count(axis + 1, x.shape.rank), row = dim * inner;
    const int64_t rows = x.shape.Count(0, axis), perImage = op == OH_NN_OPS_INSTANCE_NORM ? x.shape.dims[1] * x.shape.dims[2] : rows;
    std::vector<float> numbers(static_cast<size_t>(row));
    for (int64_t at = 0; at < rows; at++) {
        if (op == OH_NN_OPS_INSTANCE_NORM && at % perImage == 0) {
            ForInstance(call, at / perImage, factor, shift);
        }
        LoadNumbers(x, at * row, numbers.size(), numbers.data());
        for (size_t i = 0; i < numbers.size(); i++) {
            const size_t channel = i / static_cast<size_t>(inner);
            numbers[i] = numbers[i] * factor[channel] + shift[channel];
        }
        Activate(activation, numbers.data(), numbers.size());
        StoreNumbers(numbers.data(), out, at * row, numbers.size());
    }
    return true;
}

}
