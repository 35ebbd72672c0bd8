/* SPDX-License-Identifier: Apache-2.0 */
/* One model on NNRt, in both forms of the API: described, compiled for a device, run. Every tensor is float32. */
#ifndef KILN_UNIT_H
#define KILN_UNIT_H

#include "nnrt.h"

#define MOST_TENSORS 24
#define MOST_DIMS 4

struct tensor {
    int32_t dims[MOST_DIMS];
    uint32_t rank;
    OH_NN_DataType type;
    OH_NN_TensorType role;
};

/* `error` says in one line what failed first; nothing is done after it. */
struct unit {
    const nnrt *api;
    OH_NNModel *model;
    OH_NNCompilation *compilation;
    OH_NNExecutor *executor;
    struct tensor tensors[MOST_TENSORS];
    uint32_t count, nodes;
    const char *names[MOST_TENSORS];    /* of the nodes */
    uint32_t inputs[4], outputs[4], input_count, output_count;
    char error[200];
};

void unit_begin(struct unit *unit, const nnrt *api);

/* Each gives the index of the tensor that it adds. */
uint32_t unit_input(struct unit *unit, int32_t rows, int32_t columns);
uint32_t unit_constant(struct unit *unit, int32_t rows, int32_t columns, const float *data);
uint32_t unit_flag(struct unit *unit, OH_NN_TensorType role, bool value);

/* An operator with one output of the given shape; `flag` is a parameter tensor, or NONE. */
#define NONE UINT32_MAX
uint32_t unit_node(struct unit *unit, const char *name, OH_NN_OperationType op, uint32_t a, uint32_t b, uint32_t flag,
                   int32_t rows, int32_t columns);

bool unit_finish(struct unit *unit, uint32_t output);

/* The first operator that the device does not take, or NULL. */
const char *unit_refused(struct unit *unit, size_t device);

bool unit_compile(struct unit *unit, size_t device);

/* One run: as many inputs as were added, in their order; `out` gets the output's elements. */
bool unit_run(struct unit *unit, size_t device, const float *const *inputs, float *out);

void unit_end(struct unit *unit);

#endif
