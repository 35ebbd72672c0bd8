// SPDX-License-Identifier: Apache-2.0
// Quantizes the same made rows by every type that a recipe may use, without and with an importance vector, and prints a hash of each result.
#include "ggml.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 1024, ROWS = 96 };

static const enum ggml_type TYPES[] = {
    GGML_TYPE_Q4_0, GGML_TYPE_Q4_1, GGML_TYPE_Q5_0, GGML_TYPE_Q5_1, GGML_TYPE_Q8_0, GGML_TYPE_Q2_K, GGML_TYPE_Q3_K,
    GGML_TYPE_Q4_K, GGML_TYPE_Q5_K, GGML_TYPE_Q6_K, GGML_TYPE_IQ4_NL, GGML_TYPE_IQ4_XS,
};

static float rows[ROWS * COLUMNS];
static float importance[COLUMNS];
static uint8_t out[ROWS * COLUMNS * 4];

// A sum of four integers scaled by a power of two: near to a bell, exact in any arithmetic.
static float made(uint64_t * state) {
    int32_t sum = 0;
    for (int i = 0; i < 4; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        sum += (int32_t) (*state >> 44) - (1 << 19);
    }
    return (float) sum / (1 << 24);
}

// The driver has one thread; ggml-threading.cpp is C++.
void ggml_critical_section_start(void) {}
void ggml_critical_section_end(void) {}

static uint64_t hashed(size_t size) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ out[i]) * 1099511628211u;
    return hash;
}

int main(void) {
    uint64_t state = 20260101;
    for (int i = 0; i < ROWS * COLUMNS; i++) rows[i] = made(&state);
    for (int i = 0; i < COLUMNS; i++) importance[i] = made(&state) * made(&state) + 1.0f / 4096;
    for (size_t t = 0; t < sizeof TYPES / sizeof *TYPES; t++) {
        for (int weighted = 0; weighted < 2; weighted++) {
            memset(out, 0, sizeof out);
            size_t size = ggml_quantize_chunk(TYPES[t], rows, out, 0, ROWS, COLUMNS, weighted ? importance : NULL);
            printf("%s %s %zu %016" PRIx64 "\n", ggml_type_name(TYPES[t]), weighted ? "imatrix" : "plain", size, hashed(size));
        }
    }
    return 0;
}
