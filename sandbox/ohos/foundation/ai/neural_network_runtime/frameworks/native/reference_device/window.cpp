// SPDX-License-Identifier: Apache-2.0
// Operations that slide a window over NHWC images: convolutions and pools. Plain loops: no LLM needs them to be fast.
#include "kernels.h"
#include "numbers.h"

#include <math.h>

namespace nnrt {
namespace {

// How a window lies over an image.
struct Window {
    int64_t height = 1, width = 1, strideY = 1, strideX = 1, dilateY = 1, dilateX = 1, top = 0, bottom = 0, left = 0, right = 0;
    int64_t outHeight = 0, outWidth = 0, group = 1;
    int8_t activation = 0;
};

struct Kinds { OH_NN_TensorType kernel, stride, padMode, pad, dilation, activation, round, global; };

Kinds KindsOf(OH_NN_OperationType op)
{
    switch (op) {
        case OH_NN_OPS_AVG_POOL:
            return {OH_NN_AVG_POOL_KERNEL_SIZE, OH_NN_AVG_POOL_STRIDE, OH_NN_AVG_POOL_PAD_MODE, OH_NN_AVG_POOL_PAD, OH_NN_TENSOR,
                    OH_NN_AVG_POOL_ACTIVATION_TYPE, OH_NN_AVG_POOL_ROUND_MODE, OH_NN_AVG_POOL_GLOBAL};
        case OH_NN_OPS_MAX_POOL:
            return {OH_NN_MAX_POOL_KERNEL_SIZE, OH_NN_MAX_POOL_STRIDE, OH_NN_MAX_POOL_PAD_MODE, OH_NN_MAX_POOL_PAD, OH_NN_TENSOR,
                    OH_NN_MAX_POOL_ACTIVATION_TYPE, OH_NN_MAX_POOL_ROUND_MODE, OH_NN_MAX_POOL_GLOBAL};
        case OH_NN_OPS_CONV2D:
            return {OH_NN_TENSOR, OH_NN_CONV2D_STRIDES, OH_NN_CONV2D_PAD_MODE, OH_NN_CONV2D_PAD, OH_NN_CONV2D_DILATION,
                    OH_NN_CONV2D_ACTIVATION_TYPE, OH_NN_TENSOR, OH_NN_TENSOR};
        default:
            return {OH_NN_TENSOR, OH_NN_DEPTHWISE_CONV2D_NATIVE_STRIDES, OH_NN_DEPTHWISE_CONV2D_NATIVE_PAD_MODE,
                    OH_NN_DEPTHWISE_CONV2D_NATIVE_PAD, OH_NN_DEPTHWISE_CONV2D_NATIVE_DILATION,
                    OH_NN_DEPTHWISE_CONV2D_NATIVE_ACTIVATION_TYPE, OH_NN_TENSOR, OH_NN_TENSOR};
    }
}

// A parameter of padding is a mode (one int8) or four sizes (int64): top, bottom, left, right.
bool Pads(const Node &node, const Kinds &kinds, std::vector<int64_t> &pads, int64_t &mode)
{
    const Param *given = node.Find(kinds.pad), *said = node.Find(kinds.padMode);
    mode = 0;
    for (const Param *param : {said, given}) {
        if (param != nullptr && param->type == OH_NN_INT8) {
            mode = static_cast<int8_t>(param->data->data()[0]);
        }
    }
    if (given != nullptr && given->type == OH_NN_INT64) {
        pads = node.Many(kinds.pad);
    }
    return mode >= 0 && mode <= 2 && (pads.empty() || pads.size() == 4);
}

constexpr int64_t FAR = 1 << 30;        // no product of two of these overflows

// One dimension of the output. Mode 1: as many windows as strides begin in the input (SAME); 2: none over the edge (VALID).
bool Along(int64_t in, int64_t size, int64_t stride, int64_t dilate, int64_t mode, bool up, int64_t &before, int64_t &after, int64_t &out)
{
    for (int64_t number : {size, stride, dilate, before, after}) {
        if (number < 0 || number > FAR) {
            return false;
        }
    }
    if (size == 0 || stride == 0 || dilate == 0) {
        return false;
    }
    const int64_t reach = (size - 1) * dilate + 1;
    if (mode == 1) {
        out = (in + stride - 1) / stride;
        const int64_t more = (out - 1) * stride + reach - in;
        before = more > 0 ? more / 2 : 0;
        after = more > 0 ? more - before : 0;
        return true;
    }
    if (mode == 2) {
        before = after = 0;
    }
    const int64_t room = in + before + after - reach;
    out = (room + (up ? stride - 1 : 0)) / stride + 1;
    return room >= 0;
}

bool Read(const Node &node, const std::vector<View> &inputs, Window &window)
{
    const Shape &x = inputs[0].shape;
    const Kinds kinds = KindsOf(node.op);
    const bool pools = node.op == OH_NN_OPS_AVG_POOL || node.op == OH_NN_OPS_MAX_POOL;
    const auto two = [&](OH_NN_TensorType kind, int64_t &y, int64_t &x2) {
        const std::vector<int64_t> values = kind == OH_NN_TENSOR ? std::vector<int64_t>() : node.Many(kind);
        if (values.size() == 2) {
            y = values[0];
            x2 = values[1];
        }
        return values.empty() || values.size() == 2;
    };
    std::vector<int64_t> pads;
    int64_t mode = 0;
    if (x.rank != 4 || (inputs[0].type != OH_NN_FLOAT32 && inputs[0].type != OH_NN_FLOAT16) || !two(kinds.stride, window.strideY, window.strideX) ||
        !two(kinds.dilation, window.dilateY, window.dilateX) || !Pads(node, kinds, pads, mode) || !Activation(node, kinds.activation, window.activation)) {
        return false;
    }
    if (pools && node.One<bool>(kinds.global, false)) {
        window.height = x.dims[1];
        window.width = x.dims[2];
        window.strideY = window.strideX = 1;
    } else if (pools) {
        if (node.Find(kinds.kernel) == nullptr || !two(kinds.kernel, window.height, window.width)) {
            return false;
        }
    } else {
        const Shape &weight = inputs[1].shape;
        window.group = node.op == OH_NN_OPS_CONV2D ? node.One<int64_t>(OH_NN_CONV2D_GROUP, 1) : x.dims[3];
        if (weight.rank != 4 || inputs[1].type != inputs[0].type || window.group < 1 || x.dims[3] % window.group != 0 ||
            weight.dims[0] % window.group != 0 || weight.dims[3] != x.dims[3] / window.group || inputs[2].type != inputs[0].type ||
            inputs[2].shape.Count() != weight.dims[0]) {
            return false;
        }
        window.height = weight.dims[1];
        window.width = weight.dims[2];
    }
    if (pads.size() == 4) {
        window.top = pads[0];
        window.bottom = pads[1];
        window.left = pads[2];
        window.right = pads[3];
    }
    const bool up = pools && node.One<int32_t>(kinds.round, 0) == 1;
    return Along(x.dims[1], window.height, window.strideY, window.dilateY, mode, up, window.top, window.bottom, window.outHeight) &&
           Along(x.dims[2], window.width, window.strideX, window.dilateX, mode, up, window.left, window.right, window.outWidth);
}

std::vector<float> All(const View &view)
{
    std::vector<float> numbers(static_cast<size_t>(view.shape.Count()));
    LoadNumbers(view, 0, numbers.size(), numbers.data());
    return numbers;
}

// Calls f(y, x, ky, kx) for each pixel of the input that the window at (row, column) covers.
template <class F> void Covered(const Shape &x, const Window &window, int64_t row, int64_t column, const F &f)
{
    for (int64_t ky = 0; ky < window.height; ky++) {
        const int64_t y = row * window.strideY - window.top + ky * window.dilateY;
        for (int64_t kx = 0; kx < window.width && y >= 0 && y < x.dims[1]; kx++) {
            const int64_t at = column * window.strideX - window.left + kx * window.dilateX;
            if (at >= 0 && at < x.dims[2]) {
                f(y, at, ky, kx);
            }
        }
    }
}

}

bool InferWindow(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    Window window;
    if (!Read(node, inputs, window)) {
        return false;
    }
    outputs[0].type = inputs[0].type;
    outputs[0].shape = inputs[0].shape;
    outputs[0].shape.dims[1] = window.outHeight;
    outputs[0].shape.dims[2] = window.outWidth;
    outputs[0].shape.dims[3] = inputs.size() > 1 ? inputs[1].shape.dims[0] : inputs[0].shape.dims[3];
    return true;
}

bool RunWindow(const Call &call)
{
    const View &x = call.inputs[0], &out = call.outputs[0];
    const Shape &from = x.shape;
    Window window;
    Read(call.node, call.inputs, window);
    const bool convolves = call.inputs.size() > 1, most = call.node.op == OH_NN_OPS_MAX_POOL;
    const std::vector<float> image = All(x), weight = convolves ? All(call.inputs[1]) : image, bias = convolves ? All(call.inputs[2]) : image;
    const int64_t channels = from.dims[3], outChannels = out.shape.dims[3], part = channels / window.group, outPart = outChannels / window.group;
    call.pool.For(static_cast<size_t>(from.dims[0] * window.outHeight), [&](size_t line) {
        const int64_t batch = static_cast<int64_t>(line) / window.outHeight, row = static_cast<int64_t>(line) % window.outHeight;
        std::vector<float> made(static_cast<size_t>(outChannels));
        for (int64_t column = 0; column < window.outWidth; column++) {
            for (int64_t c = 0; c < outChannels; c++) {
                float sum = convolves ? bias[static_cast<size_t>(c)] : most ? -INFINITY : 0;
                int64_t seen = 0;
                Covered(from, window, row, column, [&](int64_t y, int64_t at, int64_t ky, int64_t kx) {
                    const float *pixel = image.data() + ((batch * from.dims[1] + y) * from.dims[2] + at) * channels;
                    seen++;
                    if (!convolves) {
                        sum = most ? fmaxf(sum, pixel[c]) : sum + pixel[c];
                        return;
                    }
                    const float *w = weight.data() + ((c * window.height + ky) * window.width + kx) * part;
                    for (int64_t i = 0; i < part; i++) {
                        sum += pixel[c / outPart * part + i] * w[i];
                    }
                });
                made[static_cast<size_t>(c)] = convolves || most || seen == 0 ? sum : sum / static_cast<float>(seen);
            }
            Activate(window.activation, made.data(), made.size());
            StoreNumbers(made.data(), out, (static_cast<int64_t>(line) * window.outWidth + column) * outChannels, made.size());
        }
    });
    return true;
}

}
