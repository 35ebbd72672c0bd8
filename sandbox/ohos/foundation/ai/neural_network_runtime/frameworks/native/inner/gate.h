// SPDX-License-Identifier: Apache-2.0
// What every function of the API passes first: it is counted, and it fails if the environment says so.
#ifndef NNRT_INNER_GATE_H
#define NNRT_INNER_GATE_H

#include "neural_network_runtime/neural_network_runtime.h"

#include <atomic>

// Between the two libraries; hidden where there is but one.
#if defined(NNRT_ONE_LIBRARY)
#define NNRT_INNER __attribute__((visibility("hidden")))
#else
#define NNRT_INNER __attribute__((visibility("default")))
#endif

#ifndef NNRT_API_LEVEL
#define NNRT_API_LEVEL 18
#endif

namespace nnrt {

// How the library behaves, read from the environment once (README.md).
struct Settings {
    bool strict;             // the stricter of header and real library
    int level;               // the API level whose operations and rules hold
    uint64_t failFrom;       // the call that fails, counted from 1; 0: none
    bool failOn;             // and all after it
    OH_NN_ReturnCode code;   // what a failing function answers
};
NNRT_INNER const Settings &TheSettings();

// One function of the API: how often it was called.
struct Site {
    const char *name;
    std::atomic<uint64_t> calls;
    Site *next;
};
// Counts a call of the function `site`. True if this one has to fail.
NNRT_INNER bool Fails(Site &site);

// For the report, in nanoseconds: what a device took for a run, what the caller waited for it, what a compilation took.
NNRT_INNER void CountRun(uint64_t device);
NNRT_INNER void CountCall(uint64_t whole);
NNRT_INNER void CountCompile(uint64_t device, uint64_t bytes);
NNRT_INNER uint64_t Now();

}

// At the head of a function that can fail: `answer` is what it gives then.
#define NNRT_CALL(answer) \
    do { \
        static nnrt::Site site{__func__, {0}, nullptr}; \
        if (nnrt::Fails(site)) { \
            return answer; \
        } \
    } while (0)
#define NNRT_CALL_CODE() NNRT_CALL(nnrt::TheSettings().code)

#endif
