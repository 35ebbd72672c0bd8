// SPDX-License-Identifier: Apache-2.0
// The NNRt library, without which nothing is wrong, and the device of it that we use.
#pragma once

#include "../nnrt/nnrt.h"

#include <mutex>
#include <string>

namespace ggml_nnrt {

// The functions; only after open_library() gave true.
const ::nnrt & nn();

// Load the library once. False if there is none, or one that lacks a function that its API level has.
bool open_library();

// Has it descriptions and tensors of their own (API 11), or only the executor's memory (API 9 and 10)?
bool has_tensors();

// NNRt is not to be called from several threads, but for runs of different executors: everything else is under this lock.
std::recursive_mutex & nnrt_lock();

struct device {
    size_t           id   = 0;
    std::string      name;
    OH_NN_DeviceType type = OH_NN_OTHERS;
};

// The device that `wanted` names, or a part of whose name it is; "" is the best that is no CPU: an accelerator, a GPU, another.
// False if there is none.
bool find_device(const std::string & wanted, device & found);

}  // namespace ggml_nnrt
