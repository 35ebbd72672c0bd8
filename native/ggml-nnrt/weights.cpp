// SPDX-License-Identifier: Apache-2.0
#include "weights.h"

#include "ggml-alloc.h"
#include "ggml-impl.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace ggml_nnrt {

static size_t width(precision wanted) {
    return wanted == precision::fp32 ? sizeof(float) : sizeof(ggml_fp16_t);
}

static void store(const float * from, int64_t count, precision wanted, uint8_t * into) {
    if (wanted == precision::fp32) {
        std::memcpy(into, from, count * sizeof(float));
    } else {
        ggml_fp32_to_fp16_row(from, reinterpret_cast<ggml_fp16_t *>(into), count);
    }
}

static bool read_rows(const struct ggml_tensor * weight, precision wanted, uint8_t * into) {
    const int64_t      n   = weight->ne[0];
    std::vector<float> row(n);
    for (int64_t i = 0; i < weight->ne[1]; i++) {
        const char *  from = static_cast<const char *>(weight->data) + i * weight->nb[1];
        const float * read = reinterpret_cast<const float *>(from);
        if (weight->type != GGML_TYPE_F32) {
            ggml_get_type_traits(weight->type)->to_float(from, row.data(), n);
            read = row.data();
        }
        store(read, n, wanted, into + i * n * width(wanted));
    }
    return true;
}

// Repacked weights are read by multiplying with unit vectors. The kernels quantize those to 8 bits with a scale of
// (largest / 127): 127 itself is kept exactly, so what comes out is 127 times the weight, but for the rounding of a float.
static bool read_columns(const struct ggml_tensor * weight, precision wanted, cpu & reader, uint8_t * into) {
    constexpr int64_t STEP = 128;
    constexpr float   ONE  = 127.0f;
    const int64_t     n_in = weight->ne[0], n_out = weight->ne[1];

    std::unique_ptr<ggml_context, decltype(&ggml_free)> room(
        ggml_init({ ggml_tensor_overhead() * 4 + ggml_graph_overhead_custom(4, false), nullptr, true }), ggml_free);
    if (!room) {
        return false;
    }
    struct ggml_tensor * units = ggml_new_tensor_2d(room.get(), GGML_TYPE_F32, n_in, STEP);
    struct ggml_tensor * out   = ggml_mul_mat(room.get(), const_cast<struct ggml_tensor *>(weight), units);
    struct ggml_cgraph * graph = ggml_new_graph_custom(room.get(), 4, false);
    ggml_build_forward_expand(graph, out);
    std::unique_ptr<struct ggml_backend_buffer, decltype(&ggml_backend_buffer_free)> buffer(
        ggml_backend_alloc_ctx_tensors(room.get(), reader.backend), ggml_backend_buffer_free);
    if (!buffer) {
        return false;
    }
    std::vector<float> row(STEP);
    float * const      in   = static_cast<float *>(units->data);
    const float *      read = static_cast<const float *>(out->data);
    for (int64_t first = 0; first < n_in; first += STEP) {
        const int64_t count = std::min(STEP, n_in - first);
        std::memset(in, 0, ggml_nbytes(units));
        for (int64_t i = 0; i < count; i++) {
            in[i * n_in + first + i] = ONE;
        }
        if (reader.compute(graph) != GGML_STATUS_SUCCESS) {
            return false;
        }
        for (int64_t o = 0; o < n_out; o++) {
            for (int64_t i = 0; i < count; i++) {
                row[i] = read[i * n_out + o] / ONE;
            }
            store(row.data(), count, wanted, into + (o * n_in + first) * width(wanted));
        }
    }
    return true;
}

bool read_weight(const struct ggml_tensor * weight, precision wanted, cpu & reader, std::vector<uint8_t> & into) {
    into.resize(weight->ne[0] * weight->ne[1] * width(wanted));
    if (ggml_backend_buffer_is_host(weight->buffer)) {
        return read_rows(weight, wanted, into.data());
    }
    return is_repacked(ggml_backend_buffer_get_type(weight->buffer)) && read_columns(weight, wanted, reader, into.data());
}

static uint64_t mixed(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;   // 2^64 / golden ratio, odd
    return hash ^ (hash >> 29);
}

uint64_t digest(const void * data, size_t size, uint64_t seed) {
    const char * at   = static_cast<const char *>(data);
    uint64_t     hash = mixed(seed, size), word = 0;
    for (; size >= sizeof word; at += sizeof word, size -= sizeof word) {
        std::memcpy(&word, at, sizeof word);
        hash = mixed(hash, word);
    }
    word = 0;
    std::memcpy(&word, at, size);
    return mixed(hash, word);
}

static uint64_t shape(const struct ggml_tensor * weight, uint64_t seed) {
    const char * buft = ggml_backend_buft_name(ggml_backend_buffer_get_type(weight->buffer));
    seed = mixed(seed, weight->type);
    return digest(weight->ne, sizeof weight->ne, digest(buft, std::strlen(buft), seed));
}

uint64_t digest(const struct ggml_tensor * weight, uint64_t seed) {
    return digest(weight->data, ggml_nbytes(weight), shape(weight, seed));
}

uint64_t fingerprint(const struct ggml_tensor * weight) {
    constexpr size_t PARTS = 16, PART = 64;
    const size_t     size = ggml_nbytes(weight);
    const char *     data = static_cast<const char *>(weight->data);
    uint64_t         hash = mixed(weight->type, reinterpret_cast<uintptr_t>(weight->buffer));
    hash = digest(weight->ne, sizeof weight->ne, hash);
    if (size <= PARTS * PART) {
        return digest(data, size, hash);
    }
    for (size_t i = 0; i < PARTS; i++) {
        hash = digest(data + (size - PART) / (PARTS - 1) * i, PART, hash);
    }
    return hash;
}

}  // namespace ggml_nnrt
