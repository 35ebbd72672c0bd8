// SPDX-License-Identifier: Apache-2.0
// Operations on one tensor, element by element.
#include "numbers.h"
#include "kernels.h"

#include <math.h>

namespace nnrt {
namespace {

float Sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
float Relu6(float x) { return x < 0 ? 0 : x > 6 ? 6 : x; }

template <class F> void Each(float *x, size_t count, const F &f)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = f(x[i]);
    }
}

// In place. False if this is no operation of the kind.
bool Floats(const Node &node, float *x, size_t count)
{
    switch (node.op) {
        case OH_NN_OPS_ABS: Each(x, count, [](float v) { return fabsf(v); }); return true;
        case OH_NN_OPS_ERF: Each(x, count, [](float v) { return erff(v); }); return true;
        case OH_NN_OPS_SQUARE: Each(x, count, [](float v) { return v * v; }); return true;
        case OH_NN_OPS_SQRT: Each(x, count, [](float v) { return sqrtf(v); }); return true;
        case OH_NN_OPS_RSQRT: Each(x, count, [](float v) { return 1.0f / sqrtf(v); }); return true;
        case OH_NN_OPS_LOG: Each(x, count, [](float v) { return logf(v); }); return true;
        case OH_NN_OPS_NEG: Each(x, count, [](float v) { return -v; }); return true;
        case OH_NN_OPS_RECIPROCAL: Each(x, count, [](float v) { return 1.0f / v; }); return true;
        case OH_NN_OPS_SIN: Each(x, count, [](float v) { return sinf(v); }); return true;
        case OH_NN_OPS_COS: Each(x, count, [](float v) { return cosf(v); }); return true;
        case OH_NN_OPS_CEIL: Each(x, count, [](float v) { return ceilf(v); }); return true;
        case OH_NN_OPS_FLOOR: Each(x, count, [](float v) { return floorf(v); }); return true;
        case OH_NN_OPS_ROUND: Each(x, count, [](float v) { return nearbyintf(v); }); return true;       // a half to even
        case OH_NN_OPS_SIGMOID: Each(x, count, Sigmoid); return true;
        case OH_NN_OPS_SWISH: Each(x, count, [](float v) { return v / (1.0f + expf(-v)); }); return true;
        case OH_NN_OPS_TANH: Each(x, count, [](float v) { return tanhf(v); }); return true;
        case OH_NN_OPS_RELU: Activate(OH_NN_FUSED_RELU, x, count); return true;
        case OH_NN_OPS_RELU6: Activate(OH_NN_FUSED_RELU6, x, count); return true;
        case OH_NN_OPS_HSWISH: Each(x, count, [](float v) { return v * Relu6(v + 3) / 6; }); return true;
        case OH_NN_OPS_HARD_SIGMOID: Each(x, count, [](float v) { return Relu6(v + 3) / 6; }); return true;
        default: return false;
    }
}

void Gelu(bool approximate, float *x, size_t count)
{
    if (approximate) {
        Each(x, count, [](float v) { return 0.5f * v * (1 + tanhf(0.7978845608f * (v + 0.044715f * v * v * v))); });
    } else {
        Each(x, count, [](float v) { return 0.5f * v * (1 + erff(v * 0.7071067812f)); });
    }
}

// base^(shift + scale x); a base of -1 is e.
void Exp(const Node &node, float *x, size_t count)
{
    const float base = node.One<float>(OH_NN_EXP_BASE, -1), scale = node.One<float>(OH_NN_EXP_SCALE, 1), shift = node.One<float>(OH_NN_EXP_SHIFT, 0);
    const float factor = base == -1 ? 1.0f : logf(base);
    Each(x, count, [=](float v) { return expf(factor * (shift + scale * v)); });
}

bool WithParams(const Node &node, float *x, size_t count)
{
    switch (node.op) {
        case OH_NN_OPS_GELU:
            Gelu(node.One<bool>(OH_NN_GELU_APPROXIMATE, false), x, count);
            return true;
        case OH_NN_OPS_EXP:
            Exp(node, x, count);
            return true;
        case OH_NN_OPS_LEAKY_RELU: {
            const float slope = node.One<float>(OH_NN_LEAKY_RELU_NEGATIVE_SLOPE, 0);
            Each(x, count, [=](float v) { return v < 0 ? slope * v : v; });
            return true;
        }
        case OH_NN_OPS_CLIP: {
            const float least = node.One<float>(OH_NN_CLIP_MIN, 0), most = node.One<float>(OH_NN_CLIP_MAX, 0);
            Each(x, count, [=](float v) { return v < least ? least : v > most ? most : v; });
            return true;
        }
        default:
            return false;
    }
}

// The few that whole numbers have too.
bool Integer(OH_NN_OperationType op, int64_t *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const auto bits = static_cast<uint64_t>(x[i]);
        switch (op) {
            case OH_NN_OPS_ABS: x[i] = x[i] < 0 ? static_cast<int64_t>(0 - bits) : x[i]; break;
            case OH_NN_OPS_NEG: x[i] = static_cast<int64_t>(0 - bits); break;
            case OH_NN_OPS_SQUARE: x[i] = static_cast<int64_t>(bits * bits); break;
            case OH_NN_OPS_RELU: x[i] = x[i] < 0 ? 0 : x[i]; break;
            case OH_NN_OPS_LOGICAL_NOT: x[i] = x[i] == 0; break;
            default: return false;
        }
    }
    return true;
}

bool TakesIntegers(OH_NN_OperationType op)
{
    int64_t one = 1;
    return Integer(op, &one, 1);
}

}

bool InferUnary(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const View &x = inputs[0];
    const bool logical = node.op == OH_NN_OPS_LOGICAL_NOT;
    const bool fits = logical ? x.type == OH_NN_BOOL
                              : x.type == OH_NN_FLOAT16 || x.type == OH_NN_FLOAT32 || (IsNumber(x.type) && !IsFloat(x.type) && TakesIntegers(node.op));
    outputs[0].type = x.type;
    outputs[0].shape = x.shape;
    return fits;
}

bool RunUnary(const Call &call)
{
    const View &x = call.inputs[0], &out = call.outputs[0];
    const auto count = static_cast<size_t>(out.shape.Count());
    const size_t piece = CHUNK * 16;
    call.pool.For((count + piece - 1) / piece, [&](size_t part) {
        const size_t end = (part + 1) * piece < count ? (part + 1) * piece : count;
        for (size_t at = part * piece; at < end; at += CHUNK) {
            const size_t some = end - at < CHUNK ? end - at : CHUNK;
            if (IsFloat(x.type)) {
                float numbers[CHUNK];
                LoadNumbers(x, static_cast<int64_t>(at), some, numbers);
                Floats(call.node, numbers, some) || WithParams(call.node, numbers, some);
                StoreNumbers(numbers, out, static_cast<int64_t>(at), some);
            } else {
                int64_t numbers[CHUNK];
                LoadNumbers(x, static_cast<int64_t>(at), some, numbers);
                Integer(call.node.op, numbers, some);
                StoreNumbers(numbers, out, static_cast<int64_t>(at), some);
            }
        }
    });
    return true;
}

}
