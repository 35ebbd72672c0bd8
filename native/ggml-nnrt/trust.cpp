// SPDX-License-Identifier: Apache-2.0
#include "trust.h"

#include "config.h"
#include "ggml-alloc.h"
#include "ggml-impl.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

namespace ggml_nnrt {

static constexpr int TURNS = 4;

double bound(const block & from) {
    double widest = 0;
    for (const struct ggml_tensor * weight : from.weights) {
        switch (weight->type) {
            case GGML_TYPE_F32:  widest = std::max(widest, 1e-8); break;
            case GGML_TYPE_F16:  widest = std::max(widest, 1e-6); break;
            case GGML_TYPE_BF16: widest = std::max(widest, 1e-4); break;
            default:             widest = std::max(widest, 2e-3); break;    // measured: 1e-4 to 4e-4 for a block of Q4_0
        }
    }
    return widest + (settings().weights == precision::fp16 ? 1e-5 : 0);
}

double error(const float * is, const float * should, int64_t count) {
    double off = 0, all = 0;
    for (int64_t i = 0; i < count; i++) {
        const double apart = static_cast<double>(is[i]) - should[i];
        off += apart * apart;
        all += static_cast<double>(should[i]) * should[i];
    }
    return off == 0 ? 0 : off / all;
}

// The block's own operations over the model's own weights, with an input of our own: what the CPU does for it.
struct twin {
    struct ggml_context *            room = ggml_init({ ggml_tensor_overhead() * 16 + ggml_graph_overhead_custom(16, false), nullptr, true });
    ggml_backend_buffer_t            buffer = nullptr;
    struct ggml_tensor *             input  = nullptr;
    std::vector<struct ggml_tensor *> outputs;
    struct ggml_cgraph *             graph = nullptr;

    twin(const block & from, int64_t rows, cpu & on) {
        if (!room || from.weights.size() > 8) {
            return;
        }
        input = ggml_new_tensor_2d(room, GGML_TYPE_F32, from.columns(), rows);
        auto product = [&](size_t i, struct ggml_tensor * x) { return ggml_mul_mat(room, const_cast<struct ggml_tensor *>(from.weights[i]), x); };
        if (from.what == kind::ffn) {
            outputs.push_back(product(2, ggml_swiglu_split(room, product(0, input), product(1, input))));
        } else {
            for (size_t i = 0; i < from.weights.size(); i++) {
                outputs.push_back(product(i, input));
            }
        }
        graph = ggml_new_graph_custom(room, 16, false);
        for (struct ggml_tensor * output : outputs) {
            ggml_build_forward_expand(graph, output);
        }
        buffer = ggml_backend_alloc_ctx_tensors(room, on.backend);
    }

    ~twin() {
        ggml_backend_buffer_free(buffer);
        ggml_free(room);
    }
};

// About normal, the same on every machine: the sum of four uniform numbers, scaled to variance 1.
static void fill(float * data, int64_t count) {
    uint64_t state = 0x2545F4914F6CDD1Dull;
    for (int64_t i = 0; i < count; i++) {
        float sum = 0;
        for (int k = 0; k < 4; k++) {
            state = state * 6364136223846793005ull + 1442695040888963407ull;
            sum += static_cast<float>(state >> 40) / (1 << 24) - 0.5f;
        }
        data[i] = sum * 1.7320508f;
    }
}

verdict judge(unit & made, const block & from, int64_t rows, cpu & beside, bool keep_correct) {
    verdict said;
    twin    other(from, rows, beside);
    if (!other.buffer) {
        said.why = "the CPU cannot be asked beside it";
        return said;
    }
    fill(static_cast<float *>(other.input->data), rows * from.columns());
    std::vector<std::vector<float>> got;
    std::vector<float *>            into;
    for (struct ggml_tensor * output : other.outputs) {
        got.emplace_back(ggml_nelements(output));
        into.push_back(got.back().data());
    }
    // The first run of either side pays for pages and caches; the best of the others counts: this machine has other work too.
    said.nnrt_us = said.cpu_us = INT64_MAX;
    const int turns = keep_correct ? 2 : TURNS;
    for (int turn = 0; turn < turns; turn++) {
        const int64_t began = ggml_time_us();
        if (!made.run(static_cast<const float *>(other.input->data), rows, into)) {
            said.nnrt_us = said.cpu_us = 0;
            said.why = "its run failed";
            return said;
        }
        const int64_t between = ggml_time_us();
        if (beside.compute(other.graph) != GGML_STATUS_SUCCESS) {
            said.why = "the CPU cannot be asked beside it";
            return said;
        }
        const int64_t ended = ggml_time_us();
        if (turn) {
            said.nnrt_us = std::min(said.nnrt_us, between - began);
            said.cpu_us  = std::min(said.cpu_us, ended - between);
        }
    }
    for (size_t i = 0; i < got.size(); i++) {
        said.error = std::max(said.error, error(got[i].data(), static_cast<const float *>(other.outputs[i]->data), got[i].size()));
    }
    char text[96];
    if (!(said.error <= bound(from))) {
        std::snprintf(text, sizeof text, "it differs from the CPU by %.2g, the bound is %.2g", said.error, bound(from));
        said.why = text;
    } else if (!keep_correct && said.nnrt_us >= said.cpu_us) {
        said.slower = true;
        said.why    = "it is slower than the CPU";
    } else {
        said.use = true;
    }
    made.spent = {};
    return said;
}

}  // namespace ggml_nnrt
