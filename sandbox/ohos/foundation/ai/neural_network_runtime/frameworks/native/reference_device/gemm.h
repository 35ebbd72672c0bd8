// SPDX-License-Identifier: Apache-2.0
// Products of matrices: C[m,n] = A[m,k] B[n,k]', with B laid out once in panels.
#ifndef NNRT_REFERENCE_GEMM_H
#define NNRT_REFERENCE_GEMM_H

#include "half.h"
#include "inner/graph.h"
#include "pool.h"

namespace nnrt {

// B in panels of WIDE rows, k major: what the inner loop reads from first to last. The last panel is filled up with zeros.
struct Packed {
    size_t n = 0, k = 0;
    bool half = false;
    Bytes *data = nullptr;
    ~Packed() { delete data; }
    Packed() = default;
    Packed(const Packed &) = delete;
    Packed &operator=(const Packed &) = delete;
};

// What a panel is made of: element (row, column) of B stands at data[row * rowStride + column * columnStride].
struct Matrix {
    const void *data;
    bool half;
    size_t rowStride, columnStride;
};

// Lays B out as half or single precision, reusing the memory that is there. False if there is none.
bool Pack(Pool &pool, const Matrix &b, size_t n, size_t k, bool half, Packed &into);

// C = A B'. A and C are rows of `k` and `n` numbers. If `narrow`, each sum is rounded to half precision after each step.
void Multiply(Pool &pool, const float *a, size_t m, const Packed &b, float *c, bool narrow);

}
#endif
