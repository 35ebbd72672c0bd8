// SPDX-License-Identifier: Apache-2.0
// A small model: tensors, and nodes in the order in which they run. Plain C memory: the library is linked without a C++ runtime.
#ifndef KILN_GRAPH_H
#define KILN_GRAPH_H

#include "model_c.h"

constexpr size_t MOST_DIMS = OH_AI_MAX_SHAPE_NUM, MOST_INPUTS = 4, MOST_TENSORS = 4096, MOST_NODES = 4096;
constexpr uint64_t MOST_BYTES = 256ull << 20;    // of all tensors of a model: this is a stand-in for small ones

struct Tensor {
    char *name;
    OH_AI_DataType type;
    OH_AI_Format format;
    int64_t shape[MOST_DIMS];
    size_t rank;
    void *data;
    bool owned;       // data is ours to free
    bool constant;    // from the file
    OH_AI_AllocatorHandle allocator;
};

// Numbers of the schema's PrimitiveType and ActivationType.
enum Kind { KIND_ADD = 5, KIND_MATMUL = 89, KIND_SOFTMAX = 138 };
enum Activation { ACTIVATION_NONE = 0, ACTIVATION_RELU = 1, ACTIVATION_RELU6 = 3 };

struct Node {
    char *name;
    int kind;
    uint32_t inputs[MOST_INPUTS], output;
    size_t input_count;
    bool transpose_a, transpose_b;
    int activation;
    int64_t axis;
};

struct Graph {
    Tensor *tensors;
    Node *nodes;
    Tensor **inputs, **outputs;
    size_t tensor_count, node_count, input_count, output_count;
    bool inferred;    // every shape is known
};

// tensor_c.cpp
size_t TypeSize(OH_AI_DataType type);
bool Elements(const Tensor &tensor, uint64_t *count);    // false: an open dimension, or too many
bool Bytes(const Tensor &tensor, uint64_t *bytes);
bool Allocate(Tensor *tensor);                            // memory of its present shape; what was in it is gone
void Release(Tensor *tensor);                             // its name and memory, not itself

// graph.cpp
OH_AI_Status ReadGraph(const void *data, size_t size, Graph *graph);
void FreeGraph(Graph *graph);

// infer.cpp
OH_AI_Status InferShapes(Graph *graph);

// compute.cpp
const char *KindName(int kind);
OH_AI_Status Compute(Graph *graph, const Node &node);

#endif
