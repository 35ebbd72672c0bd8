// SPDX-License-Identifier: Apache-2.0
// What a user may say by environment variables, read once.
#pragma once

#include <cstdint>
#include <string>

namespace ggml_nnrt {

enum class precision { fp16, fp32 };

struct config {
    bool        disabled     = false;          // GGML_NNRT_DISABLE
    std::string device;                        // GGML_NNRT_DEVICE: the name of a device, or a part of it; "" takes the first that is no CPU
    int64_t     budget       = -1;             // GGML_NNRT_BUDGET, bytes; -1 is a quarter of what is free when first asked
    precision   weights      = precision::fp16; // GGML_NNRT_PRECISION
    int64_t     min_batch    = 32;             // GGML_NNRT_MIN_BATCH: fewer rows stay on the CPU
    bool        trace        = false;          // GGML_NNRT_TRACE
    bool        keep_correct = false;          // GGML_NNRT_KEEP=correct: a unit that is right stays, be it slower
    std::string cache;                         // GGML_NNRT_CACHE: an existing folder for compiled units; "" keeps none
};

const config & settings();

}  // namespace ggml_nnrt
