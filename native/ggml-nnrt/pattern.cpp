// SPDX-License-Identifier: Apache-2.0
#include "pattern.h"

#include "config.h"
#include "ggml-backend-impl.h"
#include "ggml-impl.h"

namespace ggml_nnrt {

static std::string plain(const struct ggml_tensor * weight) {
    std::string name = ggml_get_name(weight);
    const std::string ending = ".weight";
    if (name.size() > ending.size() && !name.compare(name.size() - ending.size(), ending.size(), ending)) {
        name.resize(name.size() - ending.size());
    }
    return name;
}

static std::string layer(const std::string & name) {
    const size_t dot = name.rfind('.');
    return dot == std::string::npos ? "" : name.substr(0, dot + 1);
}

std::string block::id() const {
    const std::string first = plain(weights[0]);
    if (what == kind::ffn) {
        return layer(first) + "ffn";
    }
    std::string all = first;
    for (size_t i = 1; i < weights.size(); i++) {
        all += "+" + plain(weights[i]).substr(layer(plain(weights[i])).size());
    }
    return all;
}

std::vector<int64_t> block::widths() const {
    if (what == kind::ffn) {
        return { weights[2]->ne[1] };
    }
    std::vector<int64_t> made;
    for (const struct ggml_tensor * weight : weights) {
        made.push_back(weight->ne[1]);
    }
    return made;
}

bool is_work(const struct ggml_tensor * node) {
    switch (node->op) {
        case GGML_OP_NONE:
        case GGML_OP_RESHAPE:
        case GGML_OP_VIEW:
        case GGML_OP_PERMUTE:
        case GGML_OP_TRANSPOSE:
            return false;
        default:
            return (node->flags & GGML_TENSOR_FLAG_COMPUTE) != 0;
    }
}

static bool is_matrix_of_rows(const struct ggml_tensor * tensor) {
    return tensor->type == GGML_TYPE_F32 && tensor->ne[2] == 1 && tensor->ne[3] == 1 && ggml_is_contiguous(tensor);
}

// Some models (GLM4) break in half precision, and say so at each product: 0 is how it adds, 3 what its input may be rounded to.
static bool wants_more_than_half(const struct ggml_tensor * node) {
    for (const uint32_t param : { 0u, 3u }) {
        const int32_t said = ggml_get_op_params_i32(node, param);
        if (said == GGML_PREC_F32 || said == GGML_PREC_BF16) {
            return true;
        }
    }
    return false;
}

bool is_product(const struct ggml_tensor * node) {
    if (node->op != GGML_OP_MUL_MAT) {
        return false;
    }
    const struct ggml_tensor * weight = node->src[0];
    const struct ggml_tensor * input  = node->src[1];
    // A weight is a leaf that nobody computes or gives anew; a view of one may be of something that grows, as the KV cache is.
    if (weight->op != GGML_OP_NONE || weight->view_src || (weight->flags & GGML_TENSOR_FLAG_INPUT)) {
        return false;
    }
    // A product with a Hadamard matrix has a fast path on the CPU; ggml-blas declines it too.
    if (ggml_get_op_params_i32(node, 1) == GGML_HINT_SRC0_IS_HADAMARD) {
        return false;
    }
    if (settings().weights == precision::fp16 && wants_more_than_half(node)) {
        return false;
    }
    return weight->ne[2] == 1 && weight->ne[3] == 1 && weight->ne[0] > 1 && ggml_is_contiguous(weight) &&
           (weight->type == GGML_TYPE_F32 || ggml_get_type_traits(weight->type)->to_float) &&
           is_matrix_of_rows(input) && is_matrix_of_rows(node);
}

bool is_middle(const struct ggml_tensor * node) {
    if (node->op != GGML_OP_GLU || ggml_get_glu_op(node) != GGML_GLU_OP_SWIGLU || !node->src[1]) {
        return false;
    }
    const struct ggml_tensor * gate = node->src[0];
    const struct ggml_tensor * up   = node->src[1];
    return gate != up && is_product(gate) && is_product(up) && gate->src[1] == up->src[1] && is_matrix_of_rows(node);
}

static int next_work(const struct ggml_cgraph * graph, int at) {
    while (at < graph->n_nodes && !is_work(graph->nodes[at])) {
        at++;
    }
    return at;
}

// Nobody but the next node of the pattern reads it.
static bool is_inner(const struct ggml_cgraph * graph, int at) {
    return ggml_node_has_n_uses(graph, at, 1);
}

// llama.cpp takes the rows that are asked for (get_rows of something computed) out of the last layer: a prompt of 500 tokens
// has one. A graph that is only reserved has as many as may be asked for, so the number of rows does not tell.
static bool is_of_answers(const struct ggml_tensor * input) {
    for (int depth = 0; input && depth < 24; depth++) {
        if (input->op == GGML_OP_GET_ROWS) {
            return input->src[0]->op != GGML_OP_NONE;
        }
        input = input->op == GGML_OP_MUL_MAT ? input->src[1] : input->src[0];
    }
    return false;
}

bool match_ffn(const struct ggml_cgraph * graph, int at, match & found) {
    int nodes[4] = { at };
    for (int i = 1; i < 4; i++) {
        nodes[i] = next_work(graph, nodes[i - 1] + 1);
        if (nodes[i] >= graph->n_nodes) {
            return false;
        }
    }
    struct ggml_tensor * first  = graph->nodes[nodes[0]];
    struct ggml_tensor * second = graph->nodes[nodes[1]];
    struct ggml_tensor * middle = graph->nodes[nodes[2]];
    struct ggml_tensor * down   = graph->nodes[nodes[3]];
    if (!is_middle(middle) || !is_product(down) || down->src[1] != middle) {
        return false;
    }
    const bool gate_first = middle->src[0] == first && middle->src[1] == second;
    if (!gate_first && !(middle->src[0] == second && middle->src[1] == first)) {
        return false;
    }
    if (!is_inner(graph, nodes[0]) || !is_inner(graph, nodes[1]) || !is_inner(graph, nodes[2])) {
        return false;
    }
    found = { { kind::ffn, { middle->src[0]->src[0], middle->src[1]->src[0], down->src[0] }, is_of_answers(first->src[1]) },
              first->src[1], down, nodes[3] };
    return true;
}

bool match_single(const struct ggml_cgraph * graph, int at, match & found) {
    struct ggml_tensor * node = graph->nodes[at];
    if (!is_product(node)) {
        return false;
    }
    found = { { kind::single, { node->src[0] }, is_of_answers(node->src[1]) }, node->src[1], node, at };
    return true;
}

}  // namespace ggml_nnrt
