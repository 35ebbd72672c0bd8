// SPDX-License-Identifier: Apache-2.0
// The copy itself: rows of the last dimension, in parallel.
#include "strided.h"

namespace nnrt {
namespace {

template <class T> void Row(const uint8_t *from, int64_t step, uint8_t *into, int64_t intoStep, int64_t count)
{
    const auto *source = reinterpret_cast<const T *>(from);
    auto *out = reinterpret_cast<T *>(into);
    for (int64_t i = 0; i < count; i++) {
        out[i * intoStep] = source[i * step];
    }
}

void AnyRow(const uint8_t *from, int64_t step, uint8_t *into, int64_t intoStep, int64_t count, size_t each)
{
    if (step == 1 && intoStep == 1) {
        memcpy(into, from, static_cast<size_t>(count) * each);
        return;
    }
    switch (each) {
        case 1: return Row<uint8_t>(from, step, into, intoStep, count);
        case 2: return Row<uint16_t>(from, step, into, intoStep, count);
        case 4: return Row<uint32_t>(from, step, into, intoStep, count);
        default: return Row<uint64_t>(from, step, into, intoStep, count);
    }
}

}

void Copy(Pool &pool, const Walk &walk)
{
    const uint32_t rank = walk.shape.rank;
    const int64_t wide = rank == 0 ? 1 : walk.shape.dims[rank - 1], rows = rank == 0 ? 1 : walk.shape.Count(0, rank - 1);
    if (wide == 0 || rows == 0) {
        return;
    }
    const int64_t some = wide >= 4096 ? 1 : 4096 / wide;
    const auto each = static_cast<int64_t>(walk.each);
    pool.For(static_cast<size_t>((rows + some - 1) / some), [&](size_t piece) {
        const int64_t first = static_cast<int64_t>(piece) * some, end = first + some < rows ? first + some : rows;
        for (int64_t row = first; row < end; row++) {
            int64_t from = walk.start, into = walk.intoStart, rest = row;
            for (uint32_t i = rank - (rank > 0); i-- > 0;) {
                const int64_t at = rest % walk.shape.dims[i];
                from += at * walk.steps.dims[i];
                into += at * walk.intoSteps.dims[i];
                rest /= walk.shape.dims[i];
            }
            AnyRow(walk.from + from * each, rank == 0 ? 1 : walk.steps.dims[rank - 1], walk.into + into * each,
                   rank == 0 ? 1 : walk.intoSteps.dims[rank - 1], wide, walk.each);
        }
    });
}

}
