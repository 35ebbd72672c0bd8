// SPDX-License-Identifier: Apache-2.0
// Bytes and elements of tensors, with every product checked.
#ifndef NNRT_INNER_SIZES_H
#define NNRT_INNER_SIZES_H

#include "neural_network_runtime/neural_network_runtime_type.h"

#include <stddef.h>
#include <stdint.h>
#include <vector>

namespace nnrt {

constexpr size_t MOST_DIMS = 10;                      // of a description
constexpr size_t MOST_OPERANDS = 200;                 // inputs, outputs and dimensions of a model's tensor
constexpr uint64_t MOST_MODEL_BYTES = UINT32_MAX;     // of a model's tensor
constexpr uint64_t MOST_SHARED_BYTES = 1ull << 30;    // of an input or output

inline bool Known(OH_NN_DataType type) { return static_cast<uint32_t>(type) <= OH_NN_FLOAT64; }
inline bool Known(OH_NN_Format format) { return static_cast<uint32_t>(format) <= OH_NN_FORMAT_ND; }

inline size_t SizeOf(OH_NN_DataType type)
{
    constexpr size_t SIZES[] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8};
    return Known(type) ? SIZES[type] : 0;
}

enum class Count { EXACT, OPEN, OVERFLOWED };

// The product of `dims` (1 for none). OPEN if one of them is not positive.
inline Count Elements(const std::vector<int32_t> &dims, uint64_t &count)
{
    count = 1;
    for (int32_t dim : dims) {
        if (dim <= 0) {
            count = 0;
            return Count::OPEN;
        }
    }
    for (int32_t dim : dims) {
        if (__builtin_mul_overflow(count, static_cast<uint64_t>(dim), &count)) {
            return Count::OVERFLOWED;
        }
    }
    return Count::EXACT;
}

}
#endif
