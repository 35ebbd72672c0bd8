/* SPDX-License-Identifier: Apache-2.0 */
/* Formats of tensors.
 * Written for Kiln from names, signatures and numbers alone (tests/data/mindspore-lite-c-api.json); the SDK's mindspore/format.h. */
#ifndef MINDSPORE_FORMAT_C_H
#define MINDSPORE_FORMAT_C_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum OH_AI_Format {
    OH_AI_FORMAT_NCHW = 0,
    OH_AI_FORMAT_NHWC = 1,
    OH_AI_FORMAT_NHWC4 = 2,
    OH_AI_FORMAT_HWKC = 3,
    OH_AI_FORMAT_HWCK = 4,
    OH_AI_FORMAT_KCHW = 5,
    OH_AI_FORMAT_CKHW = 6,
    OH_AI_FORMAT_KHWC = 7,
    OH_AI_FORMAT_CHWK = 8,
    OH_AI_FORMAT_HW = 9,
    OH_AI_FORMAT_HW4 = 10,
    OH_AI_FORMAT_NC = 11,
    OH_AI_FORMAT_NC4 = 12,
    OH_AI_FORMAT_NC4HW4 = 13,
    OH_AI_FORMAT_NCDHW = 15,
    OH_AI_FORMAT_NWC = 16,
    OH_AI_FORMAT_NCW = 17
} OH_AI_Format;

#ifdef __cplusplus
}
#endif
#endif
