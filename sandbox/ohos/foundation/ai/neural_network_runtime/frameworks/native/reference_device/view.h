// SPDX-License-Identifier: Apache-2.0
// What a kernel sees: shapes, tensors with their data, and the operation that it is to do.
#ifndef NNRT_REFERENCE_VIEW_H
#define NNRT_REFERENCE_VIEW_H

#include "gemm.h"
#include "half.h"
#include "inner/graph.h"
#include "inner/sizes.h"
#include "pool.h"

namespace nnrt {

constexpr uint32_t MOST_RANK = MOST_DIMS;

// What an operation makes of hostile parameters may be no shape at all: Sound() says so, and whatever cannot be counted is far too much.
struct Shape {
    uint32_t rank = 0;
    bool spilled = false;                     // there were more dimensions than there is room for
    int64_t dims[MOST_RANK] = {};

    int64_t Count(uint32_t from, uint32_t to) const
    {
        int64_t count = 1;
        for (uint32_t i = from; i < to; i++) {
            count = __builtin_mul_overflow(count, dims[i], &count) ? INT64_MAX : count;
        }
        return count;
    }
    int64_t Count() const { return Count(0, rank); }
    void Push(int64_t dim)
    {
        spilled = spilled || rank == MOST_RANK;
        if (!spilled) {
            dims[rank++] = dim;
        }
    }
    bool Sound() const
    {
        for (uint32_t i = 0; i < rank; i++) {
            if (dims[i] < 1 || dims[i] > INT32_MAX) {
                return false;
            }
        }
        return !spilled;
    }
    bool operator==(const Shape &other) const
    {
        return rank == other.rank && memcmp(dims, other.dims, rank * sizeof(dims[0])) == 0;
    }
    bool operator!=(const Shape &other) const { return !(*this == other); }
};

struct View {
    OH_NN_DataType type = OH_NN_UNKNOWN;
    Shape shape;
    uint8_t *data = nullptr;                  // null while only shapes are being told, unless it is a constant
    const Quant *quant = nullptr;
    bool open = false;                        // the shape hangs on values that are not known yet

    template <class T> T *As() const { return reinterpret_cast<T *>(data); }
    size_t Size() const
    {
        uint64_t size = 0;
        return __builtin_mul_overflow(static_cast<uint64_t>(shape.Count()), SizeOf(type), &size) || size > SIZE_MAX ? SIZE_MAX : static_cast<size_t>(size);
    }
    bool Sound() const { return shape.Sound() && Size() <= MOST_MODEL_BYTES && Size() != SIZE_MAX; }
};

// One operation at work. `packed` is its constant matrix, if it has one; `scratch` lasts from run to run.
struct Call {
    const Node &node;
    const std::vector<View> &inputs;
    std::vector<View> &outputs;
    Pool &pool;
    const Packed *packed;
    std::vector<std::vector<float>> &scratch;
    Packed &scratchPacked;
    bool narrow;                              // sums in half precision

    float *Scratch(size_t which, size_t count) const
    {
        if (scratch.size() <= which) {
            scratch.resize(which + 1);
        }
        if (scratch[which].size() < count) {
            scratch[which].resize(count);
        }
        return scratch[which].data();
    }
};

// `infer` tells types and shapes of the outputs, or that the operands will not do; `run` computes them.
struct Kernel {
    bool (*infer)(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs);
    bool (*run)(const Call &call);
};

// The kernel of an operation; null if this device has none.
const Kernel *KernelOf(OH_NN_OperationType op);

inline bool IsFloat(OH_NN_DataType type) { return type == OH_NN_FLOAT16 || type == OH_NN_FLOAT32 || type == OH_NN_FLOAT64; }
inline bool IsNumber(OH_NN_DataType type) { return type > OH_NN_BOOL && type <= OH_NN_FLOAT64; }

// An axis as a position; false if it is none of `rank`.
inline bool Axis(int64_t said, uint32_t rank, uint32_t &axis)
{
    const int64_t at = said < 0 ? said + rank : said;
    axis = static_cast<uint32_t>(at);
    return at >= 0 && at < rank;
}

// The numbers of a small integer tensor; false if its data is not known yet or of another type.
bool Integers(const View &view, std::vector<int64_t> &into);
// The shape that two shapes broadcast to.
bool Broadcast(const Shape &a, const Shape &b, Shape &into);
// An activation that is fused into another operation: none, relu, relu6. False for another number.
bool Activation(const Node &node, OH_NN_TensorType kind, int8_t &activation);
void Activate(int8_t activation, float *numbers, size_t count);

}
#endif
