// SPDX-License-Identifier: Apache-2.0
// What several kernels ask of shapes, small tensors and fused activations.
#include "numbers.h"

namespace nnrt {

bool Integers(const View &view, std::vector<int64_t> &into)
{
    const bool integer = view.type >= OH_NN_INT8 && view.type <= OH_NN_UINT64;
    if (view.data == nullptr || !integer || view.shape.Count() > 4096) {
        return false;
    }
    into.resize(static_cast<size_t>(view.shape.Count()));
    LoadNumbers(view, 0, into.size(), into.data());
    return true;
}

bool Broadcast(const Shape &a, const Shape &b, Shape &into)
{
    into = Shape();
    const uint32_t rank = a.rank > b.rank ? a.rank : b.rank;
    for (uint32_t i = 0; i < rank; i++) {
        const int64_t one = i + a.rank < rank ? 1 : a.dims[i + a.rank - rank];
        const int64_t two = i + b.rank < rank ? 1 : b.dims[i + b.rank - rank];
        if (one != two && one != 1 && two != 1) {
            return false;
        }
        into.Push(one == 1 ? two : one);
    }
    return true;
}

bool Activation(const Node &node, OH_NN_TensorType kind, int8_t &activation)
{
    activation = node.One<int8_t>(kind, OH_NN_FUSED_NONE);
    return activation >= OH_NN_FUSED_NONE && activation <= OH_NN_FUSED_RELU6;
}

void Activate(int8_t activation, float *numbers, size_t count)
{
    if (activation == OH_NN_FUSED_NONE) {
        return;
    }
    const float most = activation == OH_NN_FUSED_RELU6 ? 6.0f : std::numeric_limits<float>::infinity();
    for (size_t i = 0; i < count; i++) {
        const float positive = numbers[i] < 0 ? 0 : numbers[i];      // what is no number stays that
        numbers[i] = positive > most ? most : positive;
    }
}

}
