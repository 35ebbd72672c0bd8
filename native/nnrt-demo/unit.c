/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdarg.h>

#define AT_MOST(list) (sizeof(list) / sizeof((list)[0]))

static bool wrong(struct unit *unit, const char *format, ...)
{
    va_list words;

    if (!unit->error[0]) {
        va_start(words, format);
        vsnprintf(unit->error, sizeof(unit->error), format, words);
        va_end(words);
    }
    return false;
}

static bool went(struct unit *unit, OH_NN_ReturnCode code, const char *function)
{
    return code == OH_NN_SUCCESS || wrong(unit, "%s: %s (code %d)", function, nnrt_code(code), (int)code);
}

/* Calls a function of the table and tells its name if it fails. */
#define CALL(unit, function, ...) went(unit, (unit)->api->function(__VA_ARGS__), #function)

static uint32_t elements(const struct tensor *tensor)
{
    uint32_t count = 1;

    for (uint32_t i = 0; i < tensor->rank; i++) {
        count *= (uint32_t)tensor->dims[i];
    }
    return count;
}

static OH_NN_Tensor old_form(const struct tensor *tensor)
{
    const OH_NN_Tensor made = {tensor->type, tensor->rank, tensor->rank ? tensor->dims : NULL, NULL, tensor->role};

    return made;
}

static bool describe(struct unit *unit, const struct tensor *tensor)
{
    NN_TensorDesc *desc;
    bool good;

    if (unit->api->level < 11) {
        const OH_NN_Tensor old = old_form(tensor);
        return CALL(unit, OH_NNModel_AddTensor, unit->model, &old);
    }
    desc = unit->api->OH_NNTensorDesc_Create();
    if (!desc) {
        return wrong(unit, "OH_NNTensorDesc_Create gave nothing");
    }
    good = CALL(unit, OH_NNTensorDesc_SetDataType, desc, tensor->type) &&
           (!tensor->rank || CALL(unit, OH_NNTensorDesc_SetShape, desc, tensor->dims, tensor->rank)) &&
           CALL(unit, OH_NNModel_AddTensorToModel, unit->model, desc) &&
           CALL(unit, OH_NNModel_SetTensorType, unit->model, unit->count, tensor->role);
    unit->api->OH_NNTensorDesc_Destroy(&desc);
    return good;
}

static uint32_t add(struct unit *unit, struct tensor tensor, const void *data, size_t bytes)
{
    if (unit->count == MOST_TENSORS) {
        wrong(unit, "a model of this program has at most %d tensors", MOST_TENSORS);
    }
    if (unit->error[0] || !describe(unit, &tensor) ||
        (data && !CALL(unit, OH_NNModel_SetTensorData, unit->model, unit->count, data, bytes))) {
        return 0;
    }
    unit->tensors[unit->count] = tensor;
    return unit->count++;
}

static struct tensor matrix(int32_t rows, int32_t columns)
{
    const struct tensor made = {{rows, columns}, 2, OH_NN_FLOAT32, OH_NN_TENSOR};

    return made;
}

void unit_begin(struct unit *unit, const nnrt *api)
{
    memset(unit, 0, sizeof(*unit));
    unit->api = api;
    unit->model = api->OH_NNModel_Construct();
    if (!unit->model) {
        wrong(unit, "OH_NNModel_Construct gave nothing");
    }
}

uint32_t unit_input(struct unit *unit, int32_t rows, int32_t columns)
{
    const uint32_t made = add(unit, matrix(rows, columns), NULL, 0);

    if (unit->input_count == AT_MOST(unit->inputs)) {
        wrong(unit, "a model of this program has at most %zu inputs", AT_MOST(unit->inputs));
        return 0;
    }
    unit->inputs[unit->input_count++] = made;
    return made;
}

uint32_t unit_constant(struct unit *unit, int32_t rows, int32_t columns, const float *data)
{
    return add(unit, matrix(rows, columns), data, sizeof(float) * (size_t)rows * (size_t)columns);
}

uint32_t unit_flag(struct unit *unit, OH_NN_TensorType role, bool value)
{
    const struct tensor scalar = {{0}, 0, OH_NN_BOOL, role};

    return add(unit, scalar, &value, sizeof(value));
}

uint32_t unit_node(struct unit *unit, const char *name, OH_NN_OperationType op, uint32_t a, uint32_t b, uint32_t flag,
                   int32_t rows, int32_t columns)
{
    uint32_t output = add(unit, matrix(rows, columns), NULL, 0), both[] = {a, b};
    const OH_NN_UInt32Array parameters = {flag == NONE ? NULL : &flag, flag == NONE ? 0 : 1};
    const OH_NN_UInt32Array inputs = {both, b == NONE ? 1 : 2}, outputs = {&output, 1};

    if (!unit->error[0] && CALL(unit, OH_NNModel_AddOperation, unit->model, op, &parameters, &inputs, &outputs)) {
        unit->names[unit->nodes++] = name;
    }
    return output;
}

bool unit_finish(struct unit *unit, uint32_t output)
{
    const OH_NN_UInt32Array inputs = {unit->inputs, unit->input_count}, outputs = {unit->outputs, 1};

    unit->outputs[0] = output;
    unit->output_count = 1;
    return !unit->error[0] && CALL(unit, OH_NNModel_SpecifyInputsAndOutputs, unit->model, &inputs, &outputs) &&
           CALL(unit, OH_NNModel_Finish, unit->model);
}

const char *unit_refused(struct unit *unit, size_t device)
{
    const bool *taken = NULL;
    uint32_t count = 0;

    if (!CALL(unit, OH_NNModel_GetAvailableOperations, unit->model, device, &taken, &count) || !taken) {
        return NULL;
    }
    for (uint32_t i = 0; i < count && i < unit->nodes; i++) {
        if (!taken[i]) {
            return unit->names[i];
        }
    }
    return NULL;
}

bool unit_compile(struct unit *unit, size_t device)
{
    unit->compilation = unit->api->OH_NNCompilation_Construct(unit->model);
    if (!unit->compilation) {
        return wrong(unit, "OH_NNCompilation_Construct gave nothing");
    }
    if (!CALL(unit, OH_NNCompilation_SetDevice, unit->compilation, device) || !CALL(unit, OH_NNCompilation_Build, unit->compilation)) {
        return false;
    }
    unit->executor = unit->api->OH_NNExecutor_Construct(unit->compilation);
    return unit->executor || wrong(unit, "OH_NNExecutor_Construct gave nothing");
}

static bool run_old(struct unit *unit, const float *const *inputs, float *out)
{
    for (uint32_t i = 0; i < unit->input_count; i++) {
        const struct tensor *tensor = &unit->tensors[unit->inputs[i]];
        const OH_NN_Tensor old = old_form(tensor);
        if (!CALL(unit, OH_NNExecutor_SetInput, unit->executor, i, &old, inputs[i], elements(tensor) * sizeof(float))) {
            return false;
        }
    }
    return CALL(unit, OH_NNExecutor_SetOutput, unit->executor, 0, out, elements(&unit->tensors[unit->outputs[0]]) * sizeof(float)) &&
           CALL(unit, OH_NNExecutor_Run, unit->executor);
}

/* Memory that the device shares with us; `data` is where it begins, NULL on failure. The description must be the executor's own: a driver
 * may look at its format. */
static NN_Tensor *memory_of(struct unit *unit, size_t device, bool output, size_t index, size_t bytes, void **data)
{
    NN_TensorDesc *desc = output ? unit->api->OH_NNExecutor_CreateOutputTensorDesc(unit->executor, index)
                                 : unit->api->OH_NNExecutor_CreateInputTensorDesc(unit->executor, index);
    NN_Tensor *made = desc ? unit->api->OH_NNTensor_Create(device, desc) : NULL;
    size_t size = 0;

    *data = NULL;
    if (desc) {
        unit->api->OH_NNTensorDesc_Destroy(&desc);
    }
    if (!made) {
        wrong(unit, "OH_NNTensor_Create gave nothing for %s %zu", output ? "output" : "input", index);
    } else if (CALL(unit, OH_NNTensor_GetSize, made, &size)) {
        *data = size < bytes ? NULL : unit->api->OH_NNTensor_GetDataBuffer(made);
        if (!*data) {
            wrong(unit, "%s %zu has %zu bytes of memory where %zu are wanted, or none", output ? "output" : "input", index, size, bytes);
        }
    }
    return made;
}

static bool run_new(struct unit *unit, size_t device, const float *const *inputs, float *out)
{
    NN_Tensor *in[AT_MOST(unit->inputs)] = {NULL}, *result = NULL;
    const size_t bytes = elements(&unit->tensors[unit->outputs[0]]) * sizeof(float);
    void *data = NULL;

    for (uint32_t i = 0; i < unit->input_count && !unit->error[0]; i++) {
        const size_t size = elements(&unit->tensors[unit->inputs[i]]) * sizeof(float);
        in[i] = memory_of(unit, device, false, i, size, &data);
        if (data) {
            memcpy(data, inputs[i], size);
        }
    }
    if (!unit->error[0]) {
        result = memory_of(unit, device, true, 0, bytes, &data);
    }
    if (!unit->error[0] && CALL(unit, OH_NNExecutor_RunSync, unit->executor, in, unit->input_count, &result, 1)) {
        memcpy(out, data, bytes);
    }
    for (uint32_t i = 0; i < unit->input_count; i++) {
        if (in[i]) {
            unit->api->OH_NNTensor_Destroy(&in[i]);
        }
    }
    if (result) {
        unit->api->OH_NNTensor_Destroy(&result);
    }
    return !unit->error[0];
}

bool unit_run(struct unit *unit, size_t device, const float *const *inputs, float *out)
{
    return unit->api->level < 11 ? run_old(unit, inputs, out) : run_new(unit, device, inputs, out);
}

void unit_end(struct unit *unit)
{
    if (unit->executor) {
        unit->api->OH_NNExecutor_Destroy(&unit->executor);
    }
    if (unit->compilation) {
        unit->api->OH_NNCompilation_Destroy(&unit->compilation);
    }
    if (unit->model) {
        unit->api->OH_NNModel_Destroy(&unit->model);
    }
}
