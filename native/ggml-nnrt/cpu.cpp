// SPDX-License-Identifier: Apache-2.0
#include "cpu.h"

#include "ggml-impl.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace ggml_nnrt {

bool is_repacked(ggml_backend_buffer_type_t buft) {
    return !std::strcmp(ggml_backend_buft_name(buft), "CPU_REPACK");
}

// Until the context says how many threads it computes with, which it does with its first token, when units are judged already.
static int first_threads() {
    const char * said  = std::getenv("LLAMA_ARG_THREADS");
    const int    count = said ? std::atoi(said) : 0;
    return count > 0 ? count : std::clamp<int>(std::thread::hardware_concurrency(), 1, GGML_DEFAULT_N_THREADS);
}

cpu::cpu() {
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    backend = device ? ggml_backend_dev_init(device, nullptr) : nullptr;
    set_threads(first_threads());
}

cpu::~cpu() {
    if (backend) {
        ggml_backend_free(backend);
    }
}

void cpu::set_threads(int count) {
    if (!backend || count == threads) {
        return;
    }
    ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(ggml_backend_get_device(backend));
    auto set = reinterpret_cast<ggml_backend_set_n_threads_t>(ggml_backend_reg_get_proc_address(reg, "ggml_backend_set_n_threads"));
    if (set) {
        std::lock_guard<std::mutex> guard(busy);
        set(backend, count);
        threads = count;
    }
}

enum ggml_status cpu::compute(struct ggml_cgraph * graph) {
    std::lock_guard<std::mutex> guard(busy);
    return backend ? ggml_backend_graph_compute(backend, graph) : GGML_STATUS_FAILED;
}

enum ggml_status cpu::compute(struct ggml_cgraph * graph, int from, int to) {
    struct ggml_cgraph view = ggml_graph_view(graph, from, to);
    return compute(&view);
}

}  // namespace ggml_nnrt
