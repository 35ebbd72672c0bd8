/* SPDX-License-Identifier: Apache-2.0 */
#include "lite.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

struct lite lite;

static const char *const LIBRARIES[] = {"libmindspore_lite_ndk.so", "libmindspore-lite.so", "libmindspore-lite.huawei.so"};

bool lite_open(char *why, size_t size)
{
    void *library = NULL;

    for (size_t i = 0; !library && i < sizeof(LIBRARIES) / sizeof(LIBRARIES[0]); i++) {
        library = dlopen(LIBRARIES[i], RTLD_NOW | RTLD_LOCAL);
    }
    if (!library) {
        snprintf(why, size, "this system has no MindSpore Lite: %s, %s and %s do not load", LIBRARIES[0], LIBRARIES[1], LIBRARIES[2]);
        return false;
    }
#define LITE_FIND(name)                                                              \
    do {                                                                             \
        void *at = dlsym(library, "OH_AI_" #name);                                   \
        if (!at) {                                                                   \
            snprintf(why, size, "MindSpore Lite of this system lacks OH_AI_" #name); \
            return false;                                                            \
        }                                                                            \
        memcpy(&lite.name, &at, sizeof(at));                                         \
    } while (0);
    LITE_FUNCTIONS(LITE_FIND)
#undef LITE_FIND
    return true;
}

const char *lite_status(OH_AI_Status status)
{
#define LITE_CASE(name) case OH_AI_STATUS_##name: return #name;
    switch (status) {
        LITE_CASE(SUCCESS) LITE_CASE(CORE_FAILED) LITE_CASE(LITE_ERROR) LITE_CASE(LITE_NULLPTR) LITE_CASE(LITE_PARAM_INVALID)
        LITE_CASE(LITE_NO_CHANGE) LITE_CASE(LITE_SUCCESS_EXIT) LITE_CASE(LITE_MEMORY_FAILED) LITE_CASE(LITE_NOT_SUPPORT)
        LITE_CASE(LITE_THREADPOOL_ERROR) LITE_CASE(LITE_UNINITIALIZED_OBJ) LITE_CASE(LITE_OUT_OF_TENSOR_RANGE)
        LITE_CASE(LITE_INPUT_TENSOR_ERROR) LITE_CASE(LITE_REENTRANT_ERROR) LITE_CASE(LITE_GRAPH_FILE_ERROR) LITE_CASE(LITE_NOT_FIND_OP)
        LITE_CASE(LITE_INVALID_OP_NAME) LITE_CASE(LITE_INVALID_OP_ATTR) LITE_CASE(LITE_OP_EXECUTE_FAILURE) LITE_CASE(LITE_FORMAT_ERROR)
        LITE_CASE(LITE_INFER_ERROR) LITE_CASE(LITE_INFER_INVALID) LITE_CASE(LITE_INPUT_PARAM_INVALID)
        default:
            return "";
    }
#undef LITE_CASE
}
