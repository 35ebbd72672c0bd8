// SPDX-License-Identifier: Apache-2.0
// The numbers of a weight, in the order of its rows, whatever form ggml keeps it in; and what tells one weight from another.
#pragma once

#include "config.h"
#include "cpu.h"

#include <cstdint>
#include <vector>

namespace ggml_nnrt {

// All rows of `weight` as fp16 or fp32, ne[1] rows of ne[0]. False if it cannot be read.
bool read_weight(const struct ggml_tensor * weight, precision wanted, cpu & reader, std::vector<uint8_t> & into);

// 64 bits of every byte, for the key of a cache that itself compares no weights.
uint64_t digest(const struct ggml_tensor * weight, uint64_t seed);
uint64_t digest(const void * data, size_t size, uint64_t seed);

// 64 bits of a sample, type and shape: cheap enough for every call. A freed model's address may hold another model's weight.
uint64_t fingerprint(const struct ggml_tensor * weight);

}  // namespace ggml_nnrt
