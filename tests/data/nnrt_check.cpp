// SPDX-License-Identifier: Apache-2.0
// A feed-forward block and a few other operations through the C API, checked against plain loops: for a board's ABI under QEMU's user mode.
#include "neural_network_runtime/neural_network_runtime.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

namespace {

constexpr int TOKENS = 5, WIDE = 37, HIDDEN = 70;
int g_failed = 0;

void Must(bool well, const char *what)
{
    if (!well) {
        printf("failed: %s\n", what);
        g_failed++;
    }
}

uint32_t Tensor(OH_NNModel *model, uint32_t &count, OH_NN_DataType type, OH_NN_TensorType role, int rows, int columns, const void *data, size_t size)
{
    NN_TensorDesc *desc = OH_NNTensorDesc_Create();
    const int32_t dims[] = {rows, columns};
    OH_NNTensorDesc_SetDataType(desc, type);
    if (rows > 0) {
        OH_NNTensorDesc_SetShape(desc, dims, 2);
    }
    Must(OH_NNModel_AddTensorToModel(model, desc) == OH_NN_SUCCESS, "AddTensorToModel");
    OH_NNTensorDesc_Destroy(&desc);
    OH_NNModel_SetTensorType(model, count, role);
    if (data != nullptr) {
        Must(OH_NNModel_SetTensorData(model, count, data, size) == OH_NN_SUCCESS, "SetTensorData");
    }
    return count++;
}

void Add(OH_NNModel *model, OH_NN_OperationType op, uint32_t *param, uint32_t a, uint32_t b, uint32_t out)
{
    uint32_t in[] = {a, b};
    const bool one = a == b;
    const OH_NN_UInt32Array params{param, param == nullptr ? 0u : 1u}, inputs{in, one ? 1u : 2u}, outputs{&out, 1};
    Must(OH_NNModel_AddOperation(model, op, &params, &inputs, &outputs) == OH_NN_SUCCESS, "AddOperation");
}

template <class T> double Run(OH_NN_DataType type)
{
    static T gate[HIDDEN][WIDE], up[HIDDEN][WIDE], down[WIDE][HIDDEN], x[TOKENS][WIDE];
    unsigned seed = 1;
    const auto fill = [&](T *numbers, int count) {
        for (int i = 0; i < count; i++) {
            seed = seed * 1103515245 + 12345;
            numbers[i] = static_cast<T>((static_cast<float>(seed >> 16 & 1023) - 512) / 2048);
        }
    };
    fill(&gate[0][0], HIDDEN * WIDE);
    fill(&up[0][0], HIDDEN * WIDE);
    fill(&down[0][0], HIDDEN * WIDE);
    fill(&x[0][0], TOKENS * WIDE);
    OH_NNModel *model = OH_NNModel_Construct();
    uint32_t count = 0;
    const bool yes = true;
    uint32_t in = Tensor(model, count, type, OH_NN_TENSOR, TOKENS, WIDE, nullptr, 0);
    const uint32_t g = Tensor(model, count, type, OH_NN_TENSOR, HIDDEN, WIDE, gate, sizeof(gate)), u = Tensor(model, count, type, OH_NN_TENSOR, HIDDEN, WIDE, up, sizeof(up));
    const uint32_t d = Tensor(model, count, type, OH_NN_TENSOR, WIDE, HIDDEN, down, sizeof(down));
    uint32_t t = Tensor(model, count, OH_NN_BOOL, OH_NN_MATMUL_TRANSPOSE_B, 0, 0, &yes, 1), mid[4];
    for (uint32_t &one : mid) {
        one = Tensor(model, count, type, OH_NN_TENSOR, TOKENS, HIDDEN, nullptr, 0);
    }
    uint32_t y = Tensor(model, count, type, OH_NN_TENSOR, TOKENS, WIDE, nullptr, 0);
    Add(model, OH_NN_OPS_MATMUL, &t, in, g, mid[0]);
    Add(model, OH_NN_OPS_MATMUL, &t, in, u, mid[1]);
    Add(model, OH_NN_OPS_SWISH, nullptr, mid[0], mid[0], mid[2]);
    Add(model, OH_NN_OPS_MUL, nullptr, mid[2], mid[1], mid[3]);
    Add(model, OH_NN_OPS_MATMUL, &t, mid[3], d, y);
    const OH_NN_UInt32Array inputs{&in, 1}, outputs{&y, 1};
    Must(OH_NNModel_SpecifyInputsAndOutputs(model, &inputs, &outputs) == OH_NN_SUCCESS && OH_NNModel_Finish(model) == OH_NN_SUCCESS, "Finish");
    OH_NNCompilation *compilation = OH_NNCompilation_Construct(model);
    Must(OH_NNCompilation_Build(compilation) == OH_NN_SUCCESS, "Build");
    OH_NNExecutor *executor = OH_NNExecutor_Construct(compilation);
    OH_NNModel_Destroy(&model);
    OH_NNCompilation_Destroy(&compilation);
    NN_TensorDesc *from = OH_NNExecutor_CreateInputTensorDesc(executor, 0), *to = OH_NNExecutor_CreateOutputTensorDesc(executor, 0);
    NN_Tensor *a = OH_NNTensor_Create(0, from), *b = OH_NNTensor_Create(0, to);
    memcpy(OH_NNTensor_GetDataBuffer(a), x, sizeof(x));
    Must(OH_NNExecutor_RunSync(executor, &a, 1, &b, 1) == OH_NN_SUCCESS, "RunSync");
    const T *made = static_cast<const T *>(OH_NNTensor_GetDataBuffer(b));
    double worst = 0, most = 0;
    for (int token = 0; token < TOKENS; token++) {
        double hidden[HIDDEN];
        for (int i = 0; i < HIDDEN; i++) {
            double one = 0, two = 0;
            for (int j = 0; j < WIDE; j++) {
                one += static_cast<double>(x[token][j]) * static_cast<double>(gate[i][j]);
                two += static_cast<double>(x[token][j]) * static_cast<double>(up[i][j]);
            }
            hidden[i] = one / (1 + exp(-one)) * two;
        }
        for (int i = 0; i < WIDE; i++) {
            double right = 0;
            for (int j = 0; j < HIDDEN; j++) {
                right += hidden[j] * static_cast<double>(down[i][j]);
            }
            worst = fmax(worst, fabs(right - static_cast<double>(made[token * WIDE + i])));
            most = fmax(most, fabs(right));
        }
    }
    OH_NNTensor_Destroy(&a);
    OH_NNTensor_Destroy(&b);
    OH_NNTensorDesc_Destroy(&from);
    OH_NNTensorDesc_Destroy(&to);
    OH_NNExecutor_Destroy(&executor);
    return worst / most;
}

}

int main()
{
    const double single = Run<float>(OH_NN_FLOAT32), half = Run<_Float16>(OH_NN_FLOAT16);
    Must(single < 2e-6, "single precision");
    Must(half < 3e-3 && half > 1e-6, "half precision");
    printf("%s\n", g_failed == 0 ? "right" : "wrong");
    return g_failed;
}
