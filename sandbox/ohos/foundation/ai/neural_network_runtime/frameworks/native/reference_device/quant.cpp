// SPDX-License-Identifier: Apache-2.0
// QUANT_DTYPE_CAST: between int8 with scales and zero points, one for all or one along an axis, and floats.
#include "inner/gate.h"
#include "kernels.h"
#include "numbers.h"

#include <math.h>

namespace nnrt {
namespace {

// The parameters lie on the quantized side.
const View &Quantized(const View &from, const View &into) { return from.type == OH_NN_INT8 ? from : into; }

int64_t AxisOf(const Node &node) { return node.One<int64_t>(OH_NN_QUANT_DTYPE_CAST_AXIS, 0); }

}

bool InferQuantCast(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs)
{
    const View &from = inputs[0], &out = outputs[0];
    const View &whole = Quantized(from, out);
    uint32_t axis = 0;
    outputs[0].shape = from.shape;
    const bool pair = (from.type == OH_NN_INT8) != (out.type == OH_NN_INT8) && (IsFloat(from.type) || IsFloat(out.type));
    if (!pair || whole.quant == nullptr || node.One<int64_t>(OH_NN_QUANT_DTYPE_CAST_SRC_T, 0) != from.type ||
        node.One<int64_t>(OH_NN_QUANT_DTYPE_CAST_DST_T, 0) != out.type) {
        return false;
    }
    const size_t count = whole.quant->scales.size();
    return count == 1 || (Axis(AxisOf(node), from.shape.rank, axis) && count == static_cast<size_t>(from.shape.dims[axis]));
}

bool RunQuantCast(const Call &call)
{
    const View &from = call.inputs[0], &into = call.outputs[0];
    const Quant &quant = *Quantized(from, into).quant;
    const bool many = quant.scales.size() > 1;
    uint32_t axis = 0;
    if (many) {
        Axis(AxisOf(call.node), from.shape.rank, axis);
    }
    const int64_t inner = many ? from.shape.Count(axis + 1, from.shape.rank) : from.shape.Count();
    const int64_t pieces = from.shape.Count() / inner;
    call.pool.For(static_cast<size_t>(pieces), [&](size_t piece) {
        const size_t which = many ? piece % quant.scales.size() : 0;
        const auto scale = static_cast<float>(quant.scales[which]), zero = static_cast<float>(quant.zeroPoints[which]);
        float numbers[CHUNK];
        for (int64_t done = 0; done < inner; done += CHUNK) {
            const auto some = static_cast<size_t>(inner - done < static_cast<int64_t>(CHUNK) ? inner - done : CHUNK);
            const int64_t at = static_cast<int64_t>(piece) * inner + done;
            LoadNumbers(from, at, some, numbers);
            for (size_t i = 0; i < some; i++) {
                numbers[i] = from.type == OH_NN_INT8 ? (numbers[i] - zero) * scale : nearbyintf(numbers[i] / scale) + zero;
            }
            StoreNumbers(numbers, into, at, some);
        }
    });
    return true;
}

}
