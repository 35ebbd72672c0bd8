/* SPDX-License-Identifier: Apache-2.0 */
/* nnrt-demo: lists NNRt's devices; on each builds, compiles and runs an Add and a feed-forward block of a language model, and compares
 * the results with those of this program.
 *
 * Exit code 0: every device that takes a model computes it rightly, and each model ran somewhere. 1, after one line that says why: no
 * NNRt, no device, a call that failed, a wrong result, or a model that no device takes. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <time.h>

#include "unit.h"

#define TOKENS 3
#define WIDTH 8
#define HIDDEN 16
#define BOUND 0.01f    /* of the largest value: a device may compute in fp16 */

static int failures;

static void failed(const char *format, ...)
{
    va_list words;

    fflush(stdout);
    fputs("nnrt-demo: ", stderr);
    va_start(words, format);
    vfprintf(stderr, format, words);
    va_end(words);
    fputc('\n', stderr);
    failures++;
}

/* Multiples of 1/8 from -1 to 1, which fp16 holds exactly; `seed` tells matrices apart. */
static void fill(float *to, int count, int seed)
{
    for (int i = 0; i < count; i++) {
        to[i] = (float)((7 * i + 3 * seed) % 17 - 8) / 8;
    }
}

/* x [rows, depth] times the transpose of w [columns, depth]. */
static void product(const float *x, const float *w, float *to, int rows, int depth, int columns)
{
    for (int i = 0; i < rows * columns; i++) {
        to[i] = 0;
        for (int k = 0; k < depth; k++) {
            to[i] += x[i / columns * depth + k] * w[i % columns * depth + k];
        }
    }
}

struct model {
    const char *name;
    uint32_t (*build)(struct unit *unit);                       /* gives the output */
    void (*compute)(const float *const *inputs, float *out);
    int inputs, input_size, output_size;
};

static uint32_t build_add(struct unit *unit)
{
    const uint32_t a = unit_input(unit, TOKENS, WIDTH), b = unit_input(unit, TOKENS, WIDTH);

    return unit_node(unit, "ADD", OH_NN_OPS_ADD, a, b, NONE, TOKENS, WIDTH);
}

static void compute_add(const float *const *inputs, float *out)
{
    for (int i = 0; i < TOKENS * WIDTH; i++) {
        out[i] = inputs[0][i] + inputs[1][i];
    }
}

static void weights(float *gate, float *up, float *down)
{
    fill(gate, HIDDEN * WIDTH, 1);
    fill(up, HIDDEN * WIDTH, 2);
    fill(down, WIDTH * HIDDEN, 3);
}

/* SWISH is of API 12; SIGMOID and MUL are the same on every level. */
static uint32_t build_ffn(struct unit *unit)
{
    float gate[HIDDEN * WIDTH], up[HIDDEN * WIDTH], down[WIDTH * HIDDEN];
    uint32_t x, w[3], turned, g, s, u, h;

    weights(gate, up, down);
    x = unit_input(unit, TOKENS, WIDTH);
    w[0] = unit_constant(unit, HIDDEN, WIDTH, gate);
    w[1] = unit_constant(unit, HIDDEN, WIDTH, up);
    w[2] = unit_constant(unit, WIDTH, HIDDEN, down);
    turned = unit_flag(unit, OH_NN_MATMUL_TRANSPOSE_B, true);
    g = unit_node(unit, "MATMUL", OH_NN_OPS_MATMUL, x, w[0], turned, TOKENS, HIDDEN);
    s = unit_node(unit, "SIGMOID", OH_NN_OPS_SIGMOID, g, NONE, NONE, TOKENS, HIDDEN);
    g = unit_node(unit, "MUL", OH_NN_OPS_MUL, g, s, NONE, TOKENS, HIDDEN);
    u = unit_node(unit, "MATMUL", OH_NN_OPS_MATMUL, x, w[1], turned, TOKENS, HIDDEN);
    h = unit_node(unit, "MUL", OH_NN_OPS_MUL, g, u, NONE, TOKENS, HIDDEN);
    return unit_node(unit, "MATMUL", OH_NN_OPS_MATMUL, h, w[2], turned, TOKENS, WIDTH);
}

static void compute_ffn(const float *const *inputs, float *out)
{
    float gate[HIDDEN * WIDTH], up[HIDDEN * WIDTH], down[WIDTH * HIDDEN], g[TOKENS * HIDDEN], u[TOKENS * HIDDEN];

    weights(gate, up, down);
    product(inputs[0], gate, g, TOKENS, WIDTH, HIDDEN);
    product(inputs[0], up, u, TOKENS, WIDTH, HIDDEN);
    for (int i = 0; i < TOKENS * HIDDEN; i++) {
        g[i] *= u[i] / (1 + expf(-g[i]));
    }
    product(g, down, out, TOKENS, HIDDEN, WIDTH);
}

static const struct model MODELS[] = {
    {"Add", build_add, compute_add, 2, TOKENS * WIDTH, TOKENS * WIDTH},
    {"FFN", build_ffn, compute_ffn, 1, TOKENS * WIDTH, TOKENS * WIDTH},
};
#define MODEL_COUNT (sizeof(MODELS) / sizeof(MODELS[0]))

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void judge(const struct model *model, const char *device, const float *got, const float *want, double compiled, double ran)
{
    float most = 0, off = 0;

    for (int i = 0; i < model->output_size; i++) {
        most = fmaxf(most, fabsf(want[i]));
        off = fabsf(got[i] - want[i]) > off || isnan(got[i]) ? fabsf(got[i] - want[i]) : off;
    }
    printf("%s on %s: compiled in %.2f ms, ran in %.3f ms, largest difference to this program %.3g\n ", model->name, device, compiled, ran, off);
    for (int i = 0; i < model->output_size; i++) {
        printf(" %.6g", got[i]);
    }
    putchar('\n');
    if (!(off <= BOUND * most)) {
        failed("%s on %s is wrong: it differs by %g where values reach %g", model->name, device, off, most);
    }
}

/* Whether the device took the model. */
static bool try_model(const nnrt *api, const struct model *model, size_t device, const char *name)
{
    float values[2][TOKENS * WIDTH], want[TOKENS * WIDTH], got[TOKENS * WIDTH] = {0};
    const float *inputs[] = {values[0], values[1]};
    const char *refused;
    struct unit unit;
    double start, compiled;
    bool good, taken;

    for (int i = 0; i < model->inputs; i++) {
        fill(values[i], model->input_size, 4 + i);
    }
    model->compute(inputs, want);
    unit_begin(&unit, api);
    good = unit_finish(&unit, model->build(&unit));
    refused = good ? unit_refused(&unit, device) : NULL;
    taken = !refused;
    if (refused) {
        printf("%s on %s: the device does not take %s\n", model->name, name, refused);
    } else if (good) {
        start = now();
        good = !unit.error[0] && unit_compile(&unit, device);
        compiled = now() - start;
        start = now();
        if (good && unit_run(&unit, device, inputs, got)) {
            judge(model, name, got, want, compiled, now() - start);
        }
    }
    if (unit.error[0]) {
        failed("%s on %s: %s", model->name, name, unit.error);
    }
    unit_end(&unit);
    return taken;
}

static const char *type_name(OH_NN_DeviceType type)
{
    static const char *const names[] = {"other", "CPU", "GPU", "accelerator"};

    return type >= 0 && (size_t)type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown type";
}

static bool list_devices(const nnrt *api, const size_t **ids, uint32_t *count)
{
    const OH_NN_ReturnCode code = api->OH_NNDevice_GetAllDevicesID(ids, count);

    if (code != OH_NN_SUCCESS) {
        failed("OH_NNDevice_GetAllDevicesID: %s (code %d)", nnrt_code(code), (int)code);
        return false;
    }
    printf("NNRt of API %s, %" PRIu32 " device%s\n", api->level < 11 ? "9 or 10" : "11 or later", *count, *count == 1 ? "" : "s");
    if (!*count || !*ids) {
        failed("NNRt is here, but it has no device: no driver is installed");
        return false;
    }
    return true;
}

int main(void)
{
    static nnrt api;
    const size_t *ids = NULL;
    uint32_t count = 0, ran[MODEL_COUNT] = {0};

    if (!nnrt_open(&api)) {
        failed("%s", api.why);
        return 1;
    }
    if (!list_devices(&api, &ids, &count)) {
        return 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *name = NULL;
        OH_NN_DeviceType type = OH_NN_OTHERS;
        const size_t id = ids[i];

        if (api.OH_NNDevice_GetName(id, &name) != OH_NN_SUCCESS || !name || api.OH_NNDevice_GetType(id, &type) != OH_NN_SUCCESS) {
            failed("device %zx has no name or no type", id);
            continue;
        }
        printf("device %s: %s, id %zx\n", name, type_name(type), id);
        for (size_t k = 0; k < MODEL_COUNT; k++) {
            ran[k] += try_model(&api, &MODELS[k], id, name);
        }
    }
    for (size_t k = 0; k < MODEL_COUNT && !failures; k++) {
        if (!ran[k]) {
            failed("no device takes the model %s", MODELS[k].name);
        }
    }
    if (fflush(stdout) || ferror(stdout)) {
        failed("the output cannot be written");
    }
    return failures ? 1 : 0;
}
