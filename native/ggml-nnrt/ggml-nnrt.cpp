// SPDX-License-Identifier: Apache-2.0
// A ggml backend on OpenHarmony's Neural Network Runtime, in the shape of ggml-blas: weights and activations stay in host
// memory, the scheduler hands over products with enough rows, everything else never comes here.

#include "cpu.h"
#include "ggml-backend-impl.h"
#include "ggml-impl.h"
#include "library.h"
#include "pattern.h"
#include "store.h"
#include "trace.h"
#include "weights.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

using ggml_nnrt::entry;
using ggml_nnrt::kind;
using ggml_nnrt::match;

// One for the process; units are shared by all contexts of a model.
static ggml_nnrt::store * the_store = nullptr;

// What a unit gave for outputs whose nodes come later: K and V when Q is computed. Kept with the digest of the input that it
// was computed from, so it can never be taken for another token's.
struct ggml_backend_nnrt_stash {
    std::shared_ptr<entry>          of;
    uint64_t                        input = 0;
    std::vector<std::vector<float>> outputs;
};

struct ggml_backend_nnrt_context {
    ggml_nnrt::cpu                   fallback;
    ggml_backend_nnrt_stash          stash;
    std::vector<float>               beside;          // an output that is not yet written over the input
    int64_t                          in_nnrt = 0;     // microseconds, of the node that is computed
    std::unique_ptr<ggml_nnrt::unit> product;       // of the last weight that is none of a model
    int64_t                     product_shape[2] = { 0, 0 };
};

// ---- lowering: one function a pattern; false means that the CPU must compute it -------------------------------------

static bool ggml_backend_nnrt_run(ggml_backend_nnrt_context * ctx, entry & block, const match & node, const std::vector<float *> & outputs) {
    ggml_nnrt::unit * const unit = block.fitting(node.rows());
    if (!unit) {
        return false;
    }
    std::lock_guard<std::mutex> guard(unit->busy);
    if (block.off) {
        return false;
    }
    if (unit->spent.calls == 0) {
        ggml_nnrt::trace_first(node.rows() == 1 ? block.id + ggml_nnrt::ONE : block.id, node.rows());
    }
    const int64_t before = unit->spent.nnrt_us;
    const bool    done   = unit->run(static_cast<const float *>(node.input->data), node.rows(), outputs);
    ctx->in_nnrt += unit->spent.nnrt_us - before;
    if (!done) {
        the_store->give_up(block, "a run failed");
        return false;
    }
    return true;
}

static float * ggml_backend_nnrt_floats(struct ggml_tensor * tensor) { return static_cast<float *>(tensor->data); }

static bool ggml_backend_nnrt_overlap(const struct ggml_tensor * a, const struct ggml_tensor * b) {
    const char * one = static_cast<const char *>(a->data), * two = static_cast<const char *>(b->data);
    return one < two + ggml_nbytes(b) && two < one + ggml_nbytes(a);
}

// A whole feed-forward block, or a single product. ggml's allocator gives the end of a block the memory of its input, which
// gate and up have read by then: for us the input must live until the last piece is done, and longer if the CPU must redo it.
static bool ggml_backend_nnrt_whole(ggml_backend_nnrt_context * ctx, entry & unit, const match & node) {
    if (!ggml_backend_nnrt_overlap(node.input, node.output)) {
        return ggml_backend_nnrt_run(ctx, unit, node, { ggml_backend_nnrt_floats(node.output) });
    }
    ctx->beside.resize(ggml_nelements(node.output));
    if (!ggml_backend_nnrt_run(ctx, unit, node, { ctx->beside.data() })) {
        return false;
    }
    std::memcpy(node.output->data, ctx->beside.data(), ggml_nbytes(node.output));
    return true;
}

static bool ggml_backend_nnrt_shared(ggml_backend_nnrt_context * ctx, const std::shared_ptr<entry> & unit, size_t output, const match & node) {
    ggml_backend_nnrt_stash & stash = ctx->stash;
    const uint64_t            input = ggml_nnrt::digest(node.input->data, ggml_nbytes(node.input), 0);
    if (stash.of != unit || stash.input != input) {
        stash.of = nullptr;
        stash.outputs.resize(unit->widths.size());
        std::vector<float *> outputs;
        for (size_t i = 0; i < stash.outputs.size(); i++) {
            stash.outputs[i].resize(unit->widths[i] * node.rows());
            outputs.push_back(stash.outputs[i].data());
        }
        if (!ggml_backend_nnrt_run(ctx, *unit, node, outputs)) {
            return false;
        }
        stash.of    = unit;
        stash.input = input;
    }
    std::memcpy(node.output->data, stash.outputs[output].data(), ggml_nbytes(node.output));
    return true;
}

// A product whose first factor belongs to no model: it is given anew for each call.
static bool ggml_backend_nnrt_given(ggml_backend_nnrt_context * ctx, const match & node) {
    const struct ggml_tensor * weight = node.of.weights[0];
    std::vector<uint8_t>       data;
    if (!ggml_nnrt::read_weight(weight, ggml_nnrt::settings().weights, ctx->fallback, data)) {
        return false;
    }
    std::string why;
    if (!ctx->product || ctx->product_shape[0] != weight->ne[0] || ctx->product_shape[1] != weight->ne[1]) {
        ctx->product          = ggml_nnrt::unit::compile_product(weight->ne[0], weight->ne[1], ggml_nnrt::rows_of_unit(), the_store->on, why);
        ctx->product_shape[0] = weight->ne[0];
        ctx->product_shape[1] = weight->ne[1];
    }
    if (!ctx->product) {
        return false;
    }
    ctx->product->give_weight(data);
    return ctx->product->run(static_cast<const float *>(node.input->data), node.rows(), { ggml_backend_nnrt_floats(node.output) });
}

// Weights that are none of a model are other ones each time (a LoRA's): no unit of them is proven to pay, so none is used unless
// being right is all that is asked.
static bool ggml_backend_nnrt_of_model(const struct ggml_tensor * weight) {
    return ggml_backend_buffer_get_usage(weight->buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS;
}

// What begins at node `at` and could be done by a unit; `unit` is empty for a product that belongs to no model.
static bool ggml_backend_nnrt_choose(struct ggml_cgraph * graph, int at, match & node, std::shared_ptr<entry> & unit, size_t & output) {
    if (ggml_nnrt::match_ffn(graph, at, node) && (unit = the_store->find(node.of, node.rows(), output))) {
        return true;
    }
    if (!ggml_nnrt::match_single(graph, at, node)) {
        return false;
    }
    if (!ggml_backend_nnrt_of_model(node.of.weights[0])) {
        return ggml_nnrt::settings().keep_correct;
    }
    return (unit = the_store->find(node.of, node.rows(), output)) != nullptr;
}

static bool ggml_backend_nnrt_compute(ggml_backend_nnrt_context * ctx, const match & node, const std::shared_ptr<entry> & unit, size_t output) {
    if (!unit) {
        const bool done = ggml_backend_nnrt_given(ctx, node);
        ggml_nnrt::trace_product(node.output, done ? "nnrt" : "cpu");
        return done;
    }
    const int64_t began = ggml_time_us();
    ctx->in_nnrt = 0;
    const bool done = unit->what == kind::shared ? ggml_backend_nnrt_shared(ctx, unit, output, node) : ggml_backend_nnrt_whole(ctx, *unit, node);
    if (ggml_nnrt::unit * const used = unit->fitting(node.rows())) {
        std::lock_guard<std::mutex> guard(used->busy);
        used->spent.own_us += ggml_time_us() - began - ctx->in_nnrt;
    }
    return done;
}

// ---- backend interface ----------------------------------------------------------------------------------------------

static const char * ggml_backend_nnrt_get_name(ggml_backend_t backend) {
    return "NNRT";

    GGML_UNUSED(backend);
}

static void ggml_backend_nnrt_free(ggml_backend_t backend) {
    auto * ctx = static_cast<ggml_backend_nnrt_context *>(backend->context);
    ctx->stash = {};
    the_store->leave(backend);
    delete ctx;
    delete backend;
}

static enum ggml_status ggml_backend_nnrt_graph_compute(ggml_backend_t backend, struct ggml_cgraph * cgraph) {
    auto * ctx = static_cast<ggml_backend_nnrt_context *>(backend->context);
    the_store->observe(cgraph, backend, ctx->fallback);
    the_store->settle(backend, ctx->fallback);    // what only this graph has

    int waiting = 0;    // nodes from here on are still to compute
    for (int i = 0; i < cgraph->n_nodes; i++) {
        match                  node;
        std::shared_ptr<entry> unit;
        size_t                 output = 0;
        if (!ggml_nnrt::is_work(cgraph->nodes[i]) || !ggml_backend_nnrt_choose(cgraph, i, node, unit, output)) {
            continue;
        }
        if (waiting < i) {    // the unit reads what they give
            const enum ggml_status status = ctx->fallback.compute(cgraph, waiting, i);
            if (status != GGML_STATUS_SUCCESS) {
                return status;
            }
            waiting = i;
        }
        if (ggml_backend_nnrt_compute(ctx, node, unit, output)) {
            i       = node.last;
            waiting = i + 1;
        }    // else it is redone by the CPU, from the same inputs
    }
    return waiting < cgraph->n_nodes ? ctx->fallback.compute(cgraph, waiting, cgraph->n_nodes) : GGML_STATUS_SUCCESS;
}

// The scheduler shows each part of each graph here before it is given memory, also the ones that a context only reserves: so
// units are made when a model is loaded, not when its first prompt waits.
static void ggml_backend_nnrt_graph_optimize(ggml_backend_t backend, struct ggml_cgraph * cgraph, struct ggml_backend_graph_optimize_params * params) {
    auto * ctx = static_cast<ggml_backend_nnrt_context *>(backend->context);
    the_store->observe(cgraph, backend, ctx->fallback);

    GGML_UNUSED(params);
}

static struct ggml_backend_i nnrt_backend_i = {
    /* .get_name                = */ ggml_backend_nnrt_get_name,
    /* .free                    = */ ggml_backend_nnrt_free,
    /* .set_tensor_async        = */ NULL,
    /* .get_tensor_async        = */ NULL,
    /* .set_tensor_2d_async     = */ NULL,
    /* .get_tensor_2d_async     = */ NULL,
    /* .cpy_tensor_async        = */ NULL,
    /* .synchronize             = */ NULL,
    /* .graph_plan_create       = */ NULL,
    /* .graph_plan_free         = */ NULL,
    /* .graph_plan_update       = */ NULL,
    /* .graph_plan_compute      = */ NULL,
    /* .graph_compute           = */ ggml_backend_nnrt_graph_compute,
    /* .event_record            = */ NULL,
    /* .event_wait              = */ NULL,
    /* .graph_optimize          = */ ggml_backend_nnrt_graph_optimize,
};

static ggml_guid_t ggml_backend_nnrt_guid(void) {
    static ggml_guid guid = { 0x6b, 0x69, 0x6c, 0x6e, 0x2d, 0x6e, 0x6e, 0x72, 0x74, 0x2d, 0x64, 0x65, 0x6c, 0x65, 0x67, 0x31 };
    return &guid;
}

static void ggml_backend_nnrt_set_n_threads(ggml_backend_t backend, int n_threads) {
    static_cast<ggml_backend_nnrt_context *>(backend->context)->fallback.set_threads(n_threads);
}

// ---- device interface -----------------------------------------------------------------------------------------------

static const char * ggml_backend_nnrt_device_get_name(ggml_backend_dev_t dev) {
    return "NNRT0";

    GGML_UNUSED(dev);
}

static const char * ggml_backend_nnrt_device_get_description(ggml_backend_dev_t dev) {
    return the_store->on.name.c_str();

    GGML_UNUSED(dev);
}

static void ggml_backend_nnrt_device_get_memory(ggml_backend_dev_t dev, size_t * free, size_t * total) {
    // NNRt tells nothing of a device's memory
    *free  = 0;
    *total = 0;

    GGML_UNUSED(dev);
}

static enum ggml_backend_dev_type ggml_backend_nnrt_device_get_type(ggml_backend_dev_t dev) {
    return GGML_BACKEND_DEVICE_TYPE_ACCEL;

    GGML_UNUSED(dev);
}

static void ggml_backend_nnrt_device_get_props(ggml_backend_dev_t dev, struct ggml_backend_dev_props * props) {
    props->name        = ggml_backend_nnrt_device_get_name(dev);
    props->description = ggml_backend_nnrt_device_get_description(dev);
    props->type        = ggml_backend_nnrt_device_get_type(dev);
    ggml_backend_nnrt_device_get_memory(dev, &props->memory_free, &props->memory_total);
    props->caps = {
        /* .async                 = */ false,
        /* .host_buffer           = */ false,
        /* .buffer_from_host_ptr  = */ true,
        /* .events                = */ false,
        /* .mmap_support          = */ true,
    };
}

// Never NULL: llama.cpp gives a whole context up for it.
static ggml_backend_t ggml_backend_nnrt_device_init_backend(ggml_backend_dev_t dev, const char * params) {
    return new ggml_backend {
        /* .guid    = */ ggml_backend_nnrt_guid(),
        /* .iface   = */ nnrt_backend_i,
        /* .device  = */ dev,
        /* .context = */ new ggml_backend_nnrt_context,
    };

    GGML_UNUSED(params);
}

static ggml_backend_buffer_type_t ggml_backend_nnrt_device_get_buffer_type(ggml_backend_dev_t dev) {
    return ggml_backend_cpu_buffer_type();

    GGML_UNUSED(dev);
}

static ggml_backend_buffer_t ggml_backend_nnrt_device_buffer_from_host_ptr(ggml_backend_dev_t dev, void * ptr, size_t size, size_t max_tensor_size) {
    return ggml_backend_cpu_buffer_from_ptr(ptr, size);

    GGML_UNUSED(dev);
    GGML_UNUSED(max_tensor_size);
}

static bool ggml_backend_nnrt_device_supports_op(ggml_backend_dev_t dev, const struct ggml_tensor * op) {
    switch (op->op) {
        case GGML_OP_NONE:
        case GGML_OP_RESHAPE:
        case GGML_OP_VIEW:
        case GGML_OP_PERMUTE:
        case GGML_OP_TRANSPOSE:
            return true;

        case GGML_OP_MUL_MAT: {
            if (!ggml_nnrt::is_product(op) || op->ne[1] < ggml_nnrt::settings().min_batch) {
                return false;
            }
            const struct ggml_tensor * weight = op->src[0];
            if (!weight->buffer || !weight->data) {    // asked by its shape, before anything is loaded
                return true;
            }
            return ggml_backend_nnrt_of_model(weight) ? the_store->welcome(weight, op->ne[1]) : ggml_nnrt::settings().keep_correct;
        }

        case GGML_OP_GLU:    // only between two products that come here, so that all four make one unit
            return ggml_nnrt::is_middle(op) && ggml_backend_nnrt_device_supports_op(dev, op->src[0]) &&
                   ggml_backend_nnrt_device_supports_op(dev, op->src[1]);

        default:
            return false;
    }
}

// Repacked weights are the CPU backend's secret, but it multiplies with them for us (weights.cpp); so they stay as they are,
// and a single token, which is not offloaded, is as fast as without us.
static bool ggml_backend_nnrt_device_supports_buft(ggml_backend_dev_t dev, ggml_backend_buffer_type_t buft) {
    return ggml_backend_buft_is_host(buft) || ggml_nnrt::is_repacked(buft);

    GGML_UNUSED(dev);
}

static const struct ggml_backend_device_i ggml_backend_nnrt_device_i = {
    /* .get_name             = */ ggml_backend_nnrt_device_get_name,
    /* .get_description      = */ ggml_backend_nnrt_device_get_description,
    /* .get_memory           = */ ggml_backend_nnrt_device_get_memory,
    /* .get_type             = */ ggml_backend_nnrt_device_get_type,
    /* .get_props            = */ ggml_backend_nnrt_device_get_props,
    /* .init_backend         = */ ggml_backend_nnrt_device_init_backend,
    /* .get_buffer_type      = */ ggml_backend_nnrt_device_get_buffer_type,
    /* .get_host_buffer_type = */ NULL,
    /* .buffer_from_host_ptr = */ ggml_backend_nnrt_device_buffer_from_host_ptr,
    /* .supports_op          = */ ggml_backend_nnrt_device_supports_op,
    /* .supports_buft        = */ ggml_backend_nnrt_device_supports_buft,
    /* .offload_op           = */ NULL,
    /* .event_new            = */ NULL,
    /* .event_free           = */ NULL,
    /* .event_synchronize    = */ NULL,
};

// ---- backend reg interface ------------------------------------------------------------------------------------------

static const char * ggml_backend_nnrt_reg_get_name(ggml_backend_reg_t reg) {
    return "NNRT";

    GGML_UNUSED(reg);
}

// Asked before anything else: here it is decided whether there is a device at all.
static ggml_nnrt::store * ggml_backend_nnrt_open(void) {
    ggml_nnrt::device found;
    if (ggml_nnrt::settings().disabled || ggml_nnrt::settings().budget == 0 || !ggml_nnrt::open_library()) {
        return nullptr;
    }
    if (!ggml_nnrt::find_device(ggml_nnrt::settings().device, found)) {
        GGML_LOG_INFO("nnrt: no device%s%s; the CPU computes everything\n", ggml_nnrt::settings().device.empty() ? " that is no CPU" : " named ",
                      ggml_nnrt::settings().device.c_str());
        return nullptr;
    }
    return new ggml_nnrt::store(found);
}

static size_t ggml_backend_nnrt_reg_get_device_count(ggml_backend_reg_t reg) {
    static ggml_nnrt::store * const opened = ggml_backend_nnrt_open();
    the_store = opened;
    return opened ? 1 : 0;

    GGML_UNUSED(reg);
}

static ggml_backend_dev_t ggml_backend_nnrt_reg_get_device(ggml_backend_reg_t reg, size_t index) {
    GGML_ASSERT(index == 0);

    static ggml_backend_device ggml_backend_nnrt_device = {
        /* .iface   = */ ggml_backend_nnrt_device_i,
        /* .reg     = */ reg,
        /* .context = */ nullptr,
    };

    return &ggml_backend_nnrt_device;

    GGML_UNUSED(index);
}

static void * ggml_backend_nnrt_get_proc_address(ggml_backend_reg_t reg, const char * name) {
    if (std::strcmp(name, "ggml_backend_set_n_threads") == 0) {
        return reinterpret_cast<void *>(ggml_backend_nnrt_set_n_threads);
    }
    return NULL;

    GGML_UNUSED(reg);
}

static const struct ggml_backend_reg_i ggml_backend_nnrt_reg_i = {
    /* .get_name         = */ ggml_backend_nnrt_reg_get_name,
    /* .get_device_count = */ ggml_backend_nnrt_reg_get_device_count,
    /* .get_device       = */ ggml_backend_nnrt_reg_get_device,
    /* .get_proc_address = */ ggml_backend_nnrt_get_proc_address,
};

static ggml_backend_reg_t ggml_backend_nnrt_reg(void) {
    static struct ggml_backend_reg ggml_backend_nnrt_reg = {
        /* .api_version = */ GGML_BACKEND_API_VERSION,
        /* .iface       = */ ggml_backend_nnrt_reg_i,
        /* .context     = */ NULL,
    };

    return &ggml_backend_nnrt_reg;
}

GGML_BACKEND_DL_IMPL(ggml_backend_nnrt_reg)
