// SPDX-License-Identifier: Apache-2.0
// Copies in which each dimension of the output moves through the source by its own step: transposing, slicing, repeating.
#ifndef NNRT_REFERENCE_STRIDED_H
#define NNRT_REFERENCE_STRIDED_H

#include "view.h"

namespace nnrt {

// Steps of a tensor as it lies: in elements.
inline Shape Dense(const Shape &shape)
{
    Shape steps = shape;
    int64_t step = 1;
    for (uint32_t i = shape.rank; i-- > 0;) {
        steps.dims[i] = step;
        step *= shape.dims[i];
    }
    return steps;
}

// out[i, j, ...] = from[start + i * steps[0] + j * steps[1] + ...], and the same into steps of the output.
struct Walk {
    const uint8_t *from;
    int64_t start;
    Shape steps;
    uint8_t *into;
    int64_t intoStart;
    Shape intoSteps;
    Shape shape;
    size_t each;
};
void Copy(Pool &pool, const Walk &walk);

}
#endif
