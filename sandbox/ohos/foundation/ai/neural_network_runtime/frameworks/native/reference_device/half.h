// SPDX-License-Identifier: Apache-2.0
// Half precision as storage: the compiler's own type, rounded to nearest even. One instruction where the processor has it.
#ifndef NNRT_REFERENCE_HALF_H
#define NNRT_REFERENCE_HALF_H

#include <stddef.h>

namespace nnrt {

typedef _Float16 Half;

inline void Widen(const Half *from, float *into, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        into[i] = static_cast<float>(from[i]);
    }
}

inline void Narrow(const float *from, Half *into, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        into[i] = static_cast<Half>(from[i]);
    }
}

// What is left of numbers that went through half precision.
inline void RoundToHalf(float *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        numbers[i] = static_cast<float>(static_cast<Half>(numbers[i]));
    }
}

}
#endif
