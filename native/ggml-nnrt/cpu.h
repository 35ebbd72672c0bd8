// SPDX-License-Identifier: Apache-2.0
// The private CPU backend: what a unit cannot do is computed here, over the same tensors, within the same token.
#pragma once

#include "ggml-backend.h"
#include "ggml.h"

#include <mutex>

namespace ggml_nnrt {

// Is this the buffer type in which the CPU backend keeps weights in an order of its own? Only it can read them.
bool is_repacked(ggml_backend_buffer_type_t buft);

class cpu {
  public:
    cpu();
    ~cpu();
    cpu(const cpu &) = delete;
    cpu & operator=(const cpu &) = delete;

    explicit operator bool() const { return backend != nullptr; }

    void             set_threads(int count);
    enum ggml_status compute(struct ggml_cgraph * graph);            // tensors are allocated
    enum ggml_status compute(struct ggml_cgraph * graph, int from, int to);

    ggml_backend_t backend = nullptr;

  private:
    std::mutex busy;
    int        threads = 0;
};

}  // namespace ggml_nnrt
