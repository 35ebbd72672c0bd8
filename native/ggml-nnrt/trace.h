// SPDX-License-Identifier: Apache-2.0
// What GGML_NNRT_TRACE=1 prints: a line of JSON for each unit and for what its calls cost, on stderr, whole.
#pragma once

#include "unit.h"

#include <cstdint>
#include <string>

namespace ggml_nnrt {

struct unit_line {
    std::string id, ops;
    int64_t     bytes, compile_us, nnrt_us, cpu_us;
    const char * verdict;    // nnrt or cpu: who computes it
    std::string why;         // of cpu
};

void trace_unit(const unit_line & line);                                // nnrt-unit {...}; without trace, why a unit stays on the CPU
void trace_first(const std::string & id, int64_t rows);                   // nnrt-first {...}: a unit's first call after its proof
void trace_calls(const std::string & id, const unit::totals & spent);   // nnrt-calls {...}
void trace_off(const std::string & id, const char * why);               // nnrt-off {...}
void trace_product(const struct ggml_tensor * node, const char * by);   // nnrt-product {...}: one that is no weight of a model

}  // namespace ggml_nnrt
