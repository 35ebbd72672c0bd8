// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "ggml-impl.h"
#include "model.h"
#include "weights.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

namespace ggml_nnrt {

static OH_NN_DataType numbers() {
    return settings().weights == precision::fp32 ? OH_NN_FLOAT32 : OH_NN_FLOAT16;
}

static shape shaped(int64_t rows, int64_t columns) { return { rows, columns, numbers() }; }

static std::string refused(const model & made) { return std::string(made.failed()) + " was refused"; }

bool has_swish(const device & on) {
    static const bool answer = [&] {
        std::string    why;
        model          probe(settings().weights);
        const uint32_t x = probe.variable(1, 2), y = probe.activation(OH_NN_OPS_SWISH, x, 1, 2);
        return probe.finish({ x }, { y }) && executor::make(probe.get(), on.id, {}, { shaped(1, 2) }, { shaped(1, 2) }, why) != nullptr;
    }();
    return answer;
}

int64_t unit::bytes(const block & from, int64_t rows) {
    const int64_t each = settings().weights == precision::fp32 ? 4 : 2;
    int64_t       sum  = from.columns() * rows;
    for (const struct ggml_tensor * weight : from.weights) {
        sum += weight->ne[0] * weight->ne[1];
    }
    for (const int64_t width : from.widths()) {
        sum += width * rows;
    }
    return sum * each;
}

// A constant for each weight, read into one buffer that is freed as soon as NNRt has its copy.
static bool add_weights(const block & from, model & into, cpu & reader, std::vector<uint32_t> & constants) {
    for (const struct ggml_tensor * weight : from.weights) {
        std::vector<uint8_t> data;
        if (!read_weight(weight, settings().weights, reader, data)) {
            return false;
        }
        constants.push_back(into.constant(weight->ne[1], weight->ne[0], data));
    }
    return true;
}

static std::vector<uint32_t> lower_ffn(const block & from, model & into, uint32_t x, const std::vector<uint32_t> & constants,
                                       int64_t rows, bool swish, std::string & ops) {
    const int64_t  inner = from.weights[0]->ne[1];
    const uint32_t gate  = into.product(x, constants[0], rows, inner);
    const uint32_t up    = into.product(x, constants[1], rows, inner);
    uint32_t       silu;
    if (swish) {
        silu = into.activation(OH_NN_OPS_SWISH, gate, rows, inner);
    } else {
        silu = into.multiplied(gate, into.activation(OH_NN_OPS_SIGMOID, gate, rows, inner), rows, inner);
    }
    ops = swish ? "MATMUL MATMUL SWISH MUL MATMUL" : "MATMUL MATMUL SIGMOID MUL MUL MATMUL";
    return { into.product(into.multiplied(silu, up, rows, inner), constants[2], rows, from.weights[2]->ne[1]) };
}

static std::vector<uint32_t> lower_products(const block & from, model & into, uint32_t x, const std::vector<uint32_t> & constants,
                                            int64_t rows, std::string & ops) {
    std::vector<uint32_t> made;
    for (size_t i = 0; i < constants.size(); i++) {
        made.push_back(into.product(x, constants[i], rows, from.weights[i]->ne[1]));
        ops += i ? " MATMUL" : "MATMUL";
    }
    return made;
}

// Device, precision, NNRt's API level, rows, operators and every byte of every weight: what a kept unit depends on.
static kept cached(const block & from, int64_t rows, const device & on, bool swish) {
    if (settings().cache.empty()) {
        return {};
    }
    const std::string said = on.name + "/" + from.id() + "/" + std::to_string(rows) + "/" + std::to_string(numbers()) +
                               "/" + std::to_string(nn().level) + (swish ? "/swish" : "");
    uint64_t          key  = digest(said.data(), said.size(), static_cast<uint64_t>(from.what));
    for (const struct ggml_tensor * weight : from.weights) {
        key = digest(weight, key);
    }
    char name[32];
    std::snprintf(name, sizeof name, "kiln-%016" PRIx64 "-", key);
    return { settings().cache, name };
}

std::unique_ptr<unit> unit::compile(const block & from, int64_t rows, const device & on, cpu & reader, std::string & why) {
    std::lock_guard<std::recursive_mutex> guard(nnrt_lock());
    const int64_t         began = ggml_time_us();
    const bool            swish = from.what == kind::ffn && has_swish(on);
    std::unique_ptr<unit> made(new unit());
    shapes                outputs;
    made->rows    = rows;
    made->columns = from.columns();
    made->widths  = from.widths();
    made->size    = bytes(from, rows);
    for (const int64_t width : made->widths) {
        outputs.push_back(shaped(rows, width));
    }
    {
        model                 graph(settings().weights);
        std::vector<uint32_t> constants;
        const uint32_t        x = graph.variable(rows, made->columns);
        if (!add_weights(from, graph, reader, constants)) {
            why = "its weights cannot be read";
            return nullptr;
        }
        const std::vector<uint32_t> y = from.what == kind::ffn ? lower_ffn(from, graph, x, constants, rows, swish, made->ops)
                                                               : lower_products(from, graph, x, constants, rows, made->ops);
        if (!graph.finish({ x }, y)) {
            why = refused(graph);
            return nullptr;
        }
        made->compiled = executor::make(graph.get(), on.id, cached(from, rows, on, swish), { shaped(rows, made->columns) }, outputs, why);
    }
    made->compile_us = ggml_time_us() - began;
    return made->compiled ? std::move(made) : nullptr;
}

std::unique_ptr<unit> unit::compile_product(int64_t columns, int64_t outputs, int64_t rows, const device & on, std::string & why) {
    std::lock_guard<std::recursive_mutex> guard(nnrt_lock());
    std::unique_ptr<unit>       made(new unit());
    model                       graph(settings().weights);
    const uint32_t              x = graph.variable(rows, columns), weight = graph.variable(outputs, columns);
    const uint32_t              y = graph.product(x, weight, rows, outputs);
    made->rows    = rows;
    made->columns = columns;
    made->widths  = { outputs };
    made->ops     = "MATMUL";
    made->size    = static_cast<int64_t>(shaped(outputs, columns).bytes() + shaped(rows, columns).bytes() + shaped(rows, outputs).bytes());
    if (!graph.finish({ x, weight }, { y })) {
        why = refused(graph);
        return nullptr;
    }
    made->compiled = executor::make(graph.get(), on.id, {}, { shaped(rows, columns), shaped(outputs, columns) }, { shaped(rows, outputs) }, why);
    return made->compiled ? std::move(made) : nullptr;
}

unit::~unit() {
    std::lock_guard<std::recursive_mutex> guard(nnrt_lock());
    compiled.reset();
}

void unit::give_weight(const std::vector<uint8_t> & data) { std::memcpy(compiled->input(1), data.data(), data.size()); }

// Copy, and see whether every number is one: a float is none if all bits of its exponent are set.
static bool copy_finite(const float * from, float * into, int64_t count) {
    uint32_t bad = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        std::memcpy(&bits, from + i, sizeof bits);
        bad |= (bits & 0x7F800000u) == 0x7F800000u;
        std::memcpy(into + i, &bits, sizeof bits);
    }
    return !bad;
}

bool unit::run_once(const float * input, int64_t count, int64_t first, const std::vector<float *> & outputs) {
    const bool    whole = numbers() == OH_NN_FLOAT32;
    const int64_t n     = count * columns, padding = (rows - count) * columns;
    uint8_t *     in    = static_cast<uint8_t *>(compiled->input(0));
    if (whole) {
        std::memcpy(in, input + first * columns, n * sizeof(float));
    } else {
        ggml_fp32_to_fp16_row(input + first * columns, reinterpret_cast<ggml_fp16_t *>(in), n);
    }
    std::memset(in + n * (whole ? 4 : 2), 0, padding * (whole ? 4 : 2));

    const int64_t started = ggml_time_us();
    bool          right   = compiled->run();
    const int64_t ended   = ggml_time_us();

    for (size_t k = 0; right && k < outputs.size(); k++) {
        if (!outputs[k]) {
            continue;
        }
        float * const into  = outputs[k] + first * widths[k];
        const int64_t wrote = count * widths[k];
        if (whole) {
            right = copy_finite(static_cast<const float *>(compiled->output(k)), into, wrote);
        } else {
            ggml_fp16_to_fp32_row(static_cast<const ggml_fp16_t *>(compiled->output(k)), into, wrote);
            right = copy_finite(into, into, wrote);
        }
    }
    spent.calls++;
    spent.rows    += count;
    spent.nnrt_us += ended - started;
    return right;
}

bool unit::run(const float * input, int64_t count, const std::vector<float *> & outputs) {
    for (int64_t first = 0; first < count; first += rows) {
        if (!run_once(input, std::min(rows, count - first), first, outputs)) {
            return false;
        }
    }
    return true;
}

}  // namespace ggml_nnrt
