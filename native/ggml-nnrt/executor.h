// SPDX-License-Identifier: Apache-2.0
// A compiled model with its tensors, all made once: what is left for each token is copy in, run, copy out.
#pragma once

#include "library.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ggml_nnrt {

// Where a compiled unit may be kept: NNRt compares no weights, so `name` holds the digest of everything that it depends on.
struct kept {
    std::string folder;
    std::string name;
};

struct shape {
    int64_t        rows;
    int64_t        columns;
    OH_NN_DataType type;

    size_t bytes() const { return static_cast<size_t>(rows * columns) * (type == OH_NN_FLOAT32 ? 4 : 2); }
};

using shapes = std::vector<shape>;

class executor {
  public:
    // Compile a finished model for a device. nullptr if any call fails; `why` then says which.
    static std::unique_ptr<executor> make(const OH_NNModel * model, size_t device, const kept & cache, const shapes & inputs,
                                          const shapes & outputs, std::string & why);
    ~executor();
    executor(const executor &) = delete;
    executor & operator=(const executor &) = delete;

    void *       input(size_t index) const { return in[index].data; }
    const void * output(size_t index) const { return out[index].data; }
    bool         run();    // false: NNRt said no; nothing can be said of the outputs

  private:
    struct slot {
        NN_Tensor *    tensor = nullptr;    // API 11
        OH_NN_Memory * memory = nullptr;    // API 9
        void *         data   = nullptr;
    };

    executor() = default;
    bool open(size_t device, const shapes & inputs, const shapes & outputs, std::string & why);
    bool tensor(size_t device, size_t index, const shape & wanted, bool output, slot & slot, std::string & why);
    bool memory(size_t index, const shape & wanted, bool output, slot & slot, std::string & why);

    OH_NNExecutor *          made = nullptr;
    std::vector<slot>        in, out;
    std::vector<NN_Tensor *> in_tensors, out_tensors;
};

}  // namespace ggml_nnrt
