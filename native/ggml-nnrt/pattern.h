// SPDX-License-Identifier: Apache-2.0
// What in a graph may become one unit: a feed-forward block, multiplications that share their input, or a single one.
#pragma once

#include "ggml.h"

#include <string>
#include <vector>

namespace ggml_nnrt {

enum class kind { ffn, shared, single };

// Constant weights that one input goes through. Those of an ffn are gate, up, down; else there is one for each output.
// It outlives the graph that it was seen in: the weights are the model's.
struct block {
    kind                                    what;
    std::vector<const struct ggml_tensor *> weights;
    bool                                    of_answers = false;   // of the rows that are asked for, often one: the last layer's

    std::string id() const;                 // blk.3.ffn, blk.3.attn_q+attn_k+attn_v, blk.3.attn_output
    int64_t     columns() const { return weights[0]->ne[0]; }    // of a row of the input
    std::vector<int64_t> widths() const;    // of a row of each output
};

// A block as a graph has it.
struct match {
    block                      of;
    const struct ggml_tensor * input;
    struct ggml_tensor *       output;      // of its last node
    int                        last;        // that node

    int64_t rows() const { return input->ne[1]; }
};

// Can this node be computed with its weight as a constant, its rows as an input? It says nothing of who owns the weight.
bool is_product(const struct ggml_tensor * node);

// The activation between two products of the same rows, silu(gate) * up: worth taking only as the middle of an ffn.
bool is_middle(const struct ggml_tensor * node);

// Is there anything to compute in this node?
bool is_work(const struct ggml_tensor * node);

// The ffn that begins at node `at`, else the single product there, else nothing (false).
bool match_ffn(const struct ggml_cgraph * graph, int at, match & found);
bool match_single(const struct ggml_cgraph * graph, int at, match & found);

}  // namespace ggml_nnrt
