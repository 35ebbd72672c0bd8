/* SPDX-License-Identifier: Apache-2.0 */
/* ms-client MODEL.ms [INPUT ...]: runs a model through the C API of MindSpore Lite and prints what comes out.
 *
 * INPUT files are raw little-endian bytes, one for each input of the model, in its order. Without them element i of input k is
 * ((7 i + 3 k) mod 17 - 8) / 8, rounded towards zero for whole numbers: the same everywhere, so that a result can be compared.
 * Prints for each output name, byte size, element number, type and shape, and the first fifty values; a failure is one line, exit code 1. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lite.h"

#define SHOWN 50
#define PLACES 9    /* tell any two float32 apart */

static bool failed(const char *format, ...)
{
    va_list words;

    fflush(stdout);
    fputs("ms-client: ", stderr);
    va_start(words, format);
    vfprintf(stderr, format, words);
    va_end(words);
    fputc('\n', stderr);
    return false;
}

static bool went(OH_AI_Status status, const char *function)
{
    return status == OH_AI_STATUS_SUCCESS || failed("%s: %s (status %" PRId32 ")", function, lite_status(status), (int32_t)status);
}

static const char *type_name(OH_AI_DataType type)
{
    switch (type) {
        case OH_AI_DATATYPE_NUMBERTYPE_BOOL: return "bool";
        case OH_AI_DATATYPE_NUMBERTYPE_INT8: return "int8";
        case OH_AI_DATATYPE_NUMBERTYPE_INT16: return "int16";
        case OH_AI_DATATYPE_NUMBERTYPE_INT32: return "int32";
        case OH_AI_DATATYPE_NUMBERTYPE_INT64: return "int64";
        case OH_AI_DATATYPE_NUMBERTYPE_UINT8: return "uint8";
        case OH_AI_DATATYPE_NUMBERTYPE_UINT16: return "uint16";
        case OH_AI_DATATYPE_NUMBERTYPE_UINT32: return "uint32";
        case OH_AI_DATATYPE_NUMBERTYPE_UINT64: return "uint64";
        case OH_AI_DATATYPE_NUMBERTYPE_FLOAT16: return "float16";
        case OH_AI_DATATYPE_NUMBERTYPE_FLOAT32: return "float32";
        case OH_AI_DATATYPE_NUMBERTYPE_FLOAT64: return "float64";
        default: return "";
    }
}

static float half(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits >> 15) << 31, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    uint32_t made;
    float value;

    if (exponent == 0) {
        value = (float)fraction / 16777216.0f;
        return sign ? -value : value;
    }
    made = sign | (exponent == 31 ? 255u << 23 : (exponent + 112) << 23) | fraction << 13;
    memcpy(&value, &made, sizeof(value));
    return value;
}

static uint16_t to_half(float value)    /* only for multiples of 1/8 below 2, which a half holds exactly */
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return value == 0 ? 0 : (uint16_t)((bits >> 16 & 0x8000) | ((bits >> 23 & 255) - 112) << 10 | (bits >> 13 & 1023));
}

/* memcpy, since nothing says that a tensor's data are aligned. */
#define READ(c_type, format)                            \
    do {                                                \
        c_type value;                                   \
        memcpy(&value, (const char *)data + at * sizeof(value), sizeof(value)); \
        printf(format, value);                          \
    } while (0)

static void print_value(const void *data, OH_AI_DataType type, size_t at)
{
    uint16_t bits;
    float single;

    switch (type) {
        case OH_AI_DATATYPE_NUMBERTYPE_BOOL:
        case OH_AI_DATATYPE_NUMBERTYPE_UINT8: READ(uint8_t, "%" PRIu8); break;
        case OH_AI_DATATYPE_NUMBERTYPE_INT8: READ(int8_t, "%" PRId8); break;
        case OH_AI_DATATYPE_NUMBERTYPE_INT16: READ(int16_t, "%" PRId16); break;
        case OH_AI_DATATYPE_NUMBERTYPE_INT32: READ(int32_t, "%" PRId32); break;
        case OH_AI_DATATYPE_NUMBERTYPE_INT64: READ(int64_t, "%" PRId64); break;
        case OH_AI_DATATYPE_NUMBERTYPE_UINT16: READ(uint16_t, "%" PRIu16); break;
        case OH_AI_DATATYPE_NUMBERTYPE_UINT32: READ(uint32_t, "%" PRIu32); break;
        case OH_AI_DATATYPE_NUMBERTYPE_UINT64: READ(uint64_t, "%" PRIu64); break;
        case OH_AI_DATATYPE_NUMBERTYPE_FLOAT64: READ(double, "%.17g"); break;
        case OH_AI_DATATYPE_NUMBERTYPE_FLOAT16:
            memcpy(&bits, (const char *)data + at * sizeof(bits), sizeof(bits));
            printf("%.*g", PLACES, half(bits));
            break;
        default:
            memcpy(&single, (const char *)data + at * sizeof(single), sizeof(single));
            printf("%.*g", PLACES, single);
    }
}

#define WRITE(c_type)                                    \
    do {                                                 \
        const c_type made = (c_type)value;               \
        memcpy((char *)data + at * sizeof(made), &made, sizeof(made)); \
    } while (0)

static void generate(void *data, OH_AI_DataType type, size_t at, size_t input)
{
    const double value = (double)((long)((7 * at + 3 * input) % 17) - 8) / 8;
    const uint16_t bits = to_half((float)value);

    switch (type) {
        case OH_AI_DATATYPE_NUMBERTYPE_BOOL:
        case OH_AI_DATATYPE_NUMBERTYPE_INT8:
        case OH_AI_DATATYPE_NUMBERTYPE_UINT8: WRITE(int8_t); break;
        case OH_AI_DATATYPE_NUMBERTYPE_INT16:
        case OH_AI_DATATYPE_NUMBERTYPE_UINT16: WRITE(int16_t); break;
        case OH_AI_DATATYPE_NUMBERTYPE_INT32:
        case OH_AI_DATATYPE_NUMBERTYPE_UINT32: WRITE(int32_t); break;
        case OH_AI_DATATYPE_NUMBERTYPE_INT64:
        case OH_AI_DATATYPE_NUMBERTYPE_UINT64: WRITE(int64_t); break;
        case OH_AI_DATATYPE_NUMBERTYPE_FLOAT64: WRITE(double); break;
        case OH_AI_DATATYPE_NUMBERTYPE_FLOAT16: memcpy((char *)data + at * sizeof(bits), &bits, sizeof(bits)); break;
        default: WRITE(float);
    }
}

static bool read_input(const char *path, void *data, size_t bytes)
{
    FILE *file = fopen(path, "rb");
    size_t got;
    int more;

    if (!file) {
        return failed("%s cannot be opened", path);
    }
    got = fread(data, 1, bytes, file);
    more = fgetc(file) != EOF;
    fclose(file);
    return (got == bytes && !more) || failed("%s has %s than the %zu bytes of its input", path, more ? "more" : "fewer", bytes);
}

static bool fill(OH_AI_TensorHandle tensor, size_t index, const char *path)
{
    const OH_AI_DataType type = lite.TensorGetDataType(tensor);
    const size_t bytes = lite.TensorGetDataSize(tensor);
    const int64_t count = lite.TensorGetElementNum(tensor);
    void *data = bytes ? lite.TensorGetMutableData(tensor) : NULL;
    const char *name = lite.TensorGetName(tensor);

    if (!data) {
        return failed("input %s has an open shape or no memory", name ? name : "");
    }
    if (path) {
        return read_input(path, data, bytes);
    }
    if (!*type_name(type)) {
        return failed("input %s has the type %d, for which there are no generated values", name ? name : "", (int)type);
    }
    for (int64_t i = 0; i < count; i++) {
        generate(data, type, (size_t)i, index);
    }
    return true;
}

static bool show(OH_AI_TensorHandle tensor)
{
    const OH_AI_DataType type = lite.TensorGetDataType(tensor);
    const int64_t count = lite.TensorGetElementNum(tensor);
    const void *data = lite.TensorGetData(tensor);
    const char *name = lite.TensorGetName(tensor), *word = type_name(type);
    size_t rank = 0;
    const int64_t *shape = lite.TensorGetShape(tensor, &rank);

    printf("output %s: %zu bytes, %" PRId64 " elements, %s [", name ? name : "", lite.TensorGetDataSize(tensor), count,
           *word ? word : "type unknown");
    for (size_t i = 0; shape && i < rank; i++) {
        printf("%s%" PRId64, i ? ", " : "", shape[i]);
    }
    puts("]");
    if (!*word || !data) {
        return failed("output %s cannot be shown: %s", name ? name : "", data ? "its type is unknown" : "it has no data");
    }
    for (int64_t i = 0; i < count && i < SHOWN; i++) {
        fputs(i ? " " : "  ", stdout);
        print_value(data, type, (size_t)i);
    }
    putchar('\n');
    return true;
}

static bool run(OH_AI_ModelHandle model, OH_AI_ContextHandle context, char **words, int count)
{
    OH_AI_TensorHandleArray inputs, outputs = {0, NULL};
    OH_AI_Status status = lite.ModelBuildFromFile(model, words[0], OH_AI_MODELTYPE_MINDIR, context);

    if (status != OH_AI_STATUS_SUCCESS) {
        return failed("%s: OH_AI_ModelBuildFromFile: %s (status %" PRId32 ")", words[0], lite_status(status), (int32_t)status);
    }
    inputs = lite.ModelGetInputs(model);
    if (count > 1 && (size_t)(count - 1) != inputs.handle_num) {
        return failed("%s takes %zu inputs, %d were given", words[0], inputs.handle_num, count - 1);
    }
    for (size_t i = 0; i < inputs.handle_num; i++) {
        if (!fill(inputs.handle_list[i], i, count > 1 ? words[i + 1] : NULL)) {
            return false;
        }
    }
    if (!went(lite.ModelPredict(model, inputs, &outputs, NULL, NULL), "OH_AI_ModelPredict")) {
        return false;
    }
    for (size_t i = 0; i < outputs.handle_num; i++) {
        if (!show(outputs.handle_list[i])) {
            return false;
        }
    }
    return outputs.handle_num > 0 || failed("%s gave no output", words[0]);
}

int main(int argc, char **argv)
{
    char why[256];
    OH_AI_ContextHandle context;
    OH_AI_DeviceInfoHandle processor;
    OH_AI_ModelHandle model;
    bool good;

    if (argc < 2) {
        failed("MODEL.ms [INPUT ...] are wanted");
        return 2;
    }
    if (!lite_open(why, sizeof(why))) {
        failed("%s", why);
        return 1;
    }
    context = lite.ContextCreate();
    processor = lite.DeviceInfoCreate(OH_AI_DEVICETYPE_CPU);
    model = lite.ModelCreate();
    if (!context || !processor || !model) {
        failed("%s gave nothing", !context ? "OH_AI_ContextCreate" : !processor ? "OH_AI_DeviceInfoCreate" : "OH_AI_ModelCreate");
        return 1;
    }
    lite.ContextAddDeviceInfo(context, processor);    /* the context owns it from here on */
    good = run(model, context, argv + 1, argc - 1);
    lite.ModelDestroy(&model);
    lite.ContextDestroy(&context);
    if (good && (fflush(stdout) || ferror(stdout))) {
        good = failed("the output cannot be written");
    }
    return good ? 0 : 1;
}
