// SPDX-License-Identifier: Apache-2.0
// A unit is used only if, run once beside the CPU over the same weights, it says the same and is worth it.
#pragma once

#include "unit.h"

#include <string>

namespace ggml_nnrt {

struct verdict {
    bool        use     = false;
    bool        slower  = false;    // right, but turned down for its speed
    int64_t     nnrt_us = 0, cpu_us = 0;
    double      error   = 0;        // mean square of the difference, over that of the CPU's numbers
    std::string why;                // of a refusal
};

// Rows of noise through both sides.
verdict judge(unit & made, const block & from, int64_t rows, cpu & beside, bool keep_correct);

// How far a unit may be from the CPU. The CPU's kernels round the input too: to 8 bits for quantized weights.
double bound(const block & from);

// Mean square difference over mean square; 0 for two times nothing.
double error(const float * is, const float * should, int64_t count);

}  // namespace ggml_nnrt
