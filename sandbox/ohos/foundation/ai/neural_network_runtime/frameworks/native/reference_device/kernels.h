// SPDX-License-Identifier: Apache-2.0
// The kernels, by the file that each is in; kernel.cpp says which operation has which.
#ifndef NNRT_REFERENCE_KERNELS_H
#define NNRT_REFERENCE_KERNELS_H

#include "view.h"

namespace nnrt {

#define NNRT_KERNEL(name) \
    bool Infer##name(const Node &node, const std::vector<View> &inputs, std::vector<View> &outputs); \
    bool Run##name(const Call &call)

NNRT_KERNEL(Unary);          // unary.cpp
NNRT_KERNEL(Binary);         // binary.cpp
NNRT_KERNEL(MatMul);         // matmul.cpp
NNRT_KERNEL(FullConnection);
NNRT_KERNEL(Softmax);        // normalize.cpp
NNRT_KERNEL(LayerNorm);
NNRT_KERNEL(L2Normalize);
NNRT_KERNEL(Channels);
NNRT_KERNEL(Reshape);        // reshape.cpp
NNRT_KERNEL(Told);
NNRT_KERNEL(Cast);
NNRT_KERNEL(Walk);           // slice.cpp
NNRT_KERNEL(Join);           // join.cpp
NNRT_KERNEL(Part);
NNRT_KERNEL(Pad);
NNRT_KERNEL(Gather);         // pick.cpp
NNRT_KERNEL(GatherNd);
NNRT_KERNEL(ScatterNd);
NNRT_KERNEL(Choose);
NNRT_KERNEL(Fill);
NNRT_KERNEL(OneHot);
NNRT_KERNEL(Reduce);         // reduce.cpp
NNRT_KERNEL(Top);
NNRT_KERNEL(QuantCast);      // quant.cpp
NNRT_KERNEL(Window);         // window.cpp

// The constant operand of a product that is laid out once, and how: its position among the inputs, or -1.
int MatrixOf(const Node &node, const std::vector<View> &inputs, Matrix &matrix, size_t &n, size_t &k);

}
#endif
