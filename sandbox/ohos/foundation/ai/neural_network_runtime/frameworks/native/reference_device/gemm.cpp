// SPDX-License-Identifier: Apache-2.0
// The blocked product. Vectors are the compiler's own, so that AVX2 and NEON come out of the same lines.
#include "gemm.h"

namespace nnrt {
namespace {

#if defined(__arm__)
constexpr size_t WIDE = 8;          // 16 registers of four
#else
constexpr size_t WIDE = 16;
#endif
constexpr size_t HIGH = 6;          // rows of A at once: 12 registers of eight for the sums
constexpr size_t DEEP = 512;        // of k at once: a block of a panel is 32 KiB then
constexpr size_t PANELS = 4;        // a thread's piece of work

typedef float Vector __attribute__((vector_size(WIDE * sizeof(float))));
typedef float Loose __attribute__((vector_size(WIDE * sizeof(float)), aligned(4)));
typedef Half LooseHalf __attribute__((vector_size(WIDE * sizeof(Half)), aligned(2)));

inline Vector Load(const float *from) { return *reinterpret_cast<const Loose *>(from); }
inline Vector Load(const Half *from) { return __builtin_convertvector(*reinterpret_cast<const LooseHalf *>(from), Vector); }

// M rows of A times one block of a panel: `depth` steps, `wide` columns of C.
template <size_t M, class B>
void Tile(const float *a, size_t k, const B *b, size_t depth, float *c, size_t n, size_t wide, bool add)
{
    Vector sums[M] = {};
    for (size_t step = 0; step < depth; step++) {
        const Vector row = Load(b + step * WIDE);
        for (size_t i = 0; i < M; i++) {
            sums[i] += a[i * k + step] * row;
        }
    }
    for (size_t i = 0; i < M; i++) {
        float *out = c + i * n;
        if (wide == WIDE) {
            *reinterpret_cast<Loose *>(out) = add ? Load(out) + sums[i] : sums[i];
            continue;
        }
        for (size_t j = 0; j < wide; j++) {
            out[j] = add ? out[j] + sums[i][j] : sums[i][j];
        }
    }
}

template <class B> void Tiles(size_t rows, const float *a, size_t k, const B *b, size_t depth, float *c, size_t n, size_t wide, bool add)
{
    switch (rows) {
        case 1: return Tile<1>(a, k, b, depth, c, n, wide, add);
        case 2: return Tile<2>(a, k, b, depth, c, n, wide, add);
        case 3: return Tile<3>(a, k, b, depth, c, n, wide, add);
        case 4: return Tile<4>(a, k, b, depth, c, n, wide, add);
        case 5: return Tile<5>(a, k, b, depth, c, n, wide, add);
        default: return Tile<HIGH>(a, k, b, depth, c, n, wide, add);
    }
}

// One panel with all rows of A.
template <class B> void Panel(const float *a, size_t m, size_t k, const B *b, float *c, size_t n, size_t wide)
{
    alignas(64) float wideBlock[DEEP * WIDE];
    for (size_t at = 0; at < k; at += DEEP) {
        const size_t depth = k - at < DEEP ? k - at : DEEP;
        const B *block = b + at * WIDE;
        const bool widen = sizeof(B) == sizeof(Half) && m > HIGH;      // used often enough to be worth converting once
        if (widen) {
            Widen(reinterpret_cast<const Half *>(block), wideBlock, depth * WIDE);
        }
        for (size_t row = 0; row < m; row += HIGH) {
            const size_t rows = m - row < HIGH ? m - row : HIGH;
            if (widen) {
                Tiles(rows, a + row * k + at, k, wideBlock, depth, c + row * n, n, wide, at != 0);
            } else {
                Tiles(rows, a + row * k + at, k, block, depth, c + row * n, n, wide, at != 0);
            }
        }
    }
}

// As a device without wide accumulators would do it: slow here, and meant to be.
template <class B> void NarrowPanel(const float *a, size_t m, size_t k, const B *b, float *c, size_t n, size_t wide)
{
    for (size_t row = 0; row < m; row++) {
        for (size_t column = 0; column < wide; column++) {
            Half sum = 0;
            for (size_t step = 0; step < k; step++) {
                sum = static_cast<Half>(static_cast<float>(sum) + a[row * k + step] * static_cast<float>(b[step * WIDE + column]));
            }
            c[row * n + column] = static_cast<float>(sum);
        }
    }
}

template <class B> void Product(Pool &pool, const float *a, size_t m, const Packed &packed, float *c, bool narrow)
{
    const size_t panels = (packed.n + WIDE - 1) / WIDE;
    const auto *b = reinterpret_cast<const B *>(packed.data->data());
    pool.For((panels + PANELS - 1) / PANELS, [&](size_t piece) {
        for (size_t panel = piece * PANELS; panel < panels && panel < (piece + 1) * PANELS; panel++) {
            const size_t left = packed.n - panel * WIDE, wide = left < WIDE ? left : WIDE;
            const B *block = b + panel * packed.k * WIDE;
            if (narrow) {
                NarrowPanel(a, m, packed.k, block, c + panel * WIDE, packed.n, wide);
            } else {
                Panel(a, m, packed.k, block, c + panel * WIDE, packed.n, wide);
            }
        }
    });
}

template <class From, class B> void PackPanel(const Matrix &from, size_t first, size_t rows, size_t k, B *into)
{
    const auto *data = static_cast<const From *>(from.data) + first * from.rowStride;
    for (size_t step = 0; step < k; step++) {
        for (size_t row = 0; row < WIDE; row++) {
            into[step * WIDE + row] = row < rows ? static_cast<B>(static_cast<float>(data[row * from.rowStride + step * from.columnStride])) : B(0);
        }
    }
}

}

bool Pack(Pool &pool, const Matrix &b, size_t n, size_t k, bool half, Packed &into)
{
    const size_t panels = (n + WIDE - 1) / WIDE, each = half ? sizeof(Half) : sizeof(float), size = panels * WIDE * k * each;
    if (into.data == nullptr || into.data->size() != size) {
        delete into.data;
        into.data = new Bytes(size);
    }
    if (into.data->size() != size) {
        return false;
    }
    into.n = n;
    into.k = k;
    into.half = half;
    pool.For(panels, [&](size_t panel) {
        const size_t first = panel * WIDE, rows = n - first < WIDE ? n - first : WIDE;
        uint8_t *out = into.data->data() + first * k * each;
        if (b.half) {
            half ? PackPanel<Half>(b, first, rows, k, reinterpret_cast<Half *>(out)) : PackPanel<Half>(b, first, rows, k, reinterpret_cast<float *>(out));
        } else {
            half ? PackPanel<float>(b, first, rows, k, reinterpret_cast<Half *>(out)) : PackPanel<float>(b, first, rows, k, reinterpret_cast<float *>(out));
        }
    });
    return true;
}

void Multiply(Pool &pool, const float *a, size_t m, const Packed &b, float *c, bool narrow)
{
    if (b.half) {
        Product<Half>(pool, a, m, b, c, narrow);
    } else {
        Product<float>(pool, a, m, b, c, narrow);
    }
}

}
