// SPDX-License-Identifier: Apache-2.0
// Builds and runs each model that comes on standard input (four bytes of length, then the model) and prints a line for each: the status
// of Build, or of Predict where Build succeeds, and of what came out the element number and a sum. Each model ends where a page ends
// behind which nothing is mapped, so that a byte read too far ends this program.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model_c.h"

static int status(const uint8_t *data, uint32_t size, double *sum, long *count)
{
    OH_AI_ContextHandle context = OH_AI_ContextCreate();
    OH_AI_ModelHandle model = OH_AI_ModelCreate();
    OH_AI_ContextAddDeviceInfo(context, OH_AI_DeviceInfoCreate(OH_AI_DEVICETYPE_CPU));
    int code = OH_AI_ModelBuild(model, data, size, OH_AI_MODELTYPE_MINDIR, context);
    if (code == 0) {
        OH_AI_TensorHandleArray inputs = OH_AI_ModelGetInputs(model), outputs{0, nullptr};
        for (size_t i = 0; i < inputs.handle_num; i++) {
            OH_AI_TensorGetMutableData(inputs.handle_list[i]);
        }
        code = OH_AI_ModelPredict(model, inputs, &outputs, nullptr, nullptr);
        for (size_t i = 0; code == 0 && i < outputs.handle_num; i++) {
            const float *values = static_cast<const float *>(OH_AI_TensorGetData(outputs.handle_list[i]));
            for (long k = 0; k < OH_AI_TensorGetElementNum(outputs.handle_list[i]); k++, ++*count) {
                *sum += values[k];
            }
        }
    }
    OH_AI_ModelDestroy(&model);
    OH_AI_ContextDestroy(&context);
    return code;
}

int main(void)
{
    uint32_t size;
    const size_t page = sysconf(_SC_PAGESIZE);
    while (fread(&size, sizeof(size), 1, stdin) == 1) {
        const size_t whole = (size + page - 1) / page * page + page;
        uint8_t *pages = static_cast<uint8_t *>(mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        uint8_t *data = pages + whole - page - size;
        double sum = 0;
        long count = 0;
        if (pages == MAP_FAILED || fread(data, 1, size, stdin) != size) {
            return 1;
        }
        munmap(pages + whole - page, page);
        mprotect(pages, whole - page, PROT_READ);
        const int code = status(data, size, &sum, &count);
        printf("%d %ld %.9g\n", code, count, sum);
        fflush(stdout);
        munmap(pages, whole - page);
    }
    return 0;
}
