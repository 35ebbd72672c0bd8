/* SPDX-License-Identifier: Apache-2.0 */
/* MindSpore Lite found at run time: a pointer to each function that we call, typed by whichever headers the SDK has.
 *
 * Not linked, because no one name fits: libmindspore_lite_ndk.so is the SDK's stub, libmindspore-lite.so the library of 4.0 and later,
 * libmindspore-lite.huawei.so that of 3.2; and a board without the library must be told from a program that does not start. */
#ifndef KILN_LITE_H
#define KILN_LITE_H

#include <stdbool.h>

#ifdef KILN_SDK_HAS_MINDSPORE
#include <mindspore/context.h>
#include <mindspore/model.h>
#include <mindspore/status.h>
#include <mindspore/tensor.h>
#include <mindspore/types.h>
#else
#include "context_c.h"
#include "model_c.h"
#include "status_c.h"
#include "tensor_c.h"
#include "types_c.h"
#endif

#define LITE_FUNCTIONS(X) \
    X(ContextCreate) X(ContextDestroy) X(ContextAddDeviceInfo) X(DeviceInfoCreate) \
    X(ModelCreate) X(ModelDestroy) X(ModelBuildFromFile) X(ModelGetInputs) X(ModelPredict) \
    X(TensorGetName) X(TensorGetDataType) X(TensorGetShape) X(TensorGetData) X(TensorGetMutableData) X(TensorGetElementNum) X(TensorGetDataSize)

struct lite {
#define LITE_POINTER(name) __typeof__(&OH_AI_##name) name;
    LITE_FUNCTIONS(LITE_POINTER)
#undef LITE_POINTER
};

extern struct lite lite;

/* Fill `lite`; on failure `why` says in one line what is missing. */
bool lite_open(char *why, size_t size);

/* The name of a status without its prefix, as LITE_NOT_SUPPORT; "" for one that the SDK's headers do not know. */
const char *lite_status(OH_AI_Status status);

#endif
