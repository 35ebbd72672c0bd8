// SPDX-License-Identifier: Apache-2.0
#include "model.h"

namespace ggml_nnrt {

model::model(precision numbers) :
    made(nn().OH_NNModel_Construct()), type(numbers == precision::fp32 ? OH_NN_FLOAT32 : OH_NN_FLOAT16) {
    if (!made) {
        failure = "OH_NNModel_Construct";
    }
}

model::~model() {
    if (made) {
        nn().OH_NNModel_Destroy(&made);
    }
}

bool model::ok(OH_NN_ReturnCode code, const char * function) {
    if (code != OH_NN_SUCCESS && !failure) {
        failure = function;
    }
    return !failure;
}

uint32_t model::tensor(OH_NN_DataType numbers, const int32_t * shape, uint32_t rank, OH_NN_TensorType role) {
    if (failure) {
        return 0;
    }
    if (!has_tensors()) {
        const OH_NN_Tensor old = { numbers, rank, rank ? shape : nullptr, nullptr, role };
        ok(nn().OH_NNModel_AddTensor(made, &old), "OH_NNModel_AddTensor");
        return count++;
    }
    NN_TensorDesc * desc = nn().OH_NNTensorDesc_Create();
    if (!desc) {
        failure = "OH_NNTensorDesc_Create";
        return 0;
    }
    ok(nn().OH_NNTensorDesc_SetDataType(desc, numbers), "OH_NNTensorDesc_SetDataType");
    if (rank) {
        ok(nn().OH_NNTensorDesc_SetShape(desc, shape, rank), "OH_NNTensorDesc_SetShape");
    }
    if (!failure) {
        ok(nn().OH_NNModel_AddTensorToModel(made, desc), "OH_NNModel_AddTensorToModel");
    }
    nn().OH_NNTensorDesc_Destroy(&desc);
    if (!failure && role != OH_NN_TENSOR) {
        ok(nn().OH_NNModel_SetTensorType(made, count, role), "OH_NNModel_SetTensorType");
    }
    return count++;
}

uint32_t model::variable(int64_t rows, int64_t columns) {
    const int32_t shape[] = { static_cast<int32_t>(rows), static_cast<int32_t>(columns) };
    return tensor(type, shape, 2, OH_NN_TENSOR);
}

uint32_t model::constant(int64_t rows, int64_t columns, const std::vector<uint8_t> & data) {
    const uint32_t index = variable(rows, columns);
    if (!failure) {
        ok(nn().OH_NNModel_SetTensorData(made, index, data.data(), data.size()), "OH_NNModel_SetTensorData");
    }
    return index;
}

// NNRt reads a parameter when the operation is added, so its data comes first.
uint32_t model::parameter(OH_NN_TensorType role, OH_NN_DataType numbers, const void * value, size_t size) {
    const int32_t  one[] = { 1 };
    const uint32_t index = tensor(numbers, one, 1, role);
    if (!failure) {
        ok(nn().OH_NNModel_SetTensorData(made, index, value, size), "OH_NNModel_SetTensorData");
    }
    return index;
}

uint32_t model::operation(OH_NN_OperationType op, std::vector<uint32_t> parameters, std::vector<uint32_t> inputs, int64_t rows,
                          int64_t columns) {
    uint32_t output = variable(rows, columns);
    if (failure) {
        return 0;
    }
    const OH_NN_UInt32Array given = { parameters.empty() ? nullptr : parameters.data(), static_cast<uint32_t>(parameters.size()) };
    const OH_NN_UInt32Array in    = { inputs.data(), static_cast<uint32_t>(inputs.size()) };
    const OH_NN_UInt32Array out   = { &output, 1 };
    ok(nn().OH_NNModel_AddOperation(made, op, &given, &in, &out), "OH_NNModel_AddOperation");
    return output;
}

uint32_t model::product(uint32_t x, uint32_t weight, int64_t rows, int64_t columns) {
    const bool     yes        = true;
    const uint32_t transposed = parameter(OH_NN_MATMUL_TRANSPOSE_B, OH_NN_BOOL, &yes, sizeof yes);
    return operation(OH_NN_OPS_MATMUL, { transposed }, { x, weight }, rows, columns);
}

uint32_t model::activation(OH_NN_OperationType op, uint32_t x, int64_t rows, int64_t columns) {
    return operation(op, {}, { x }, rows, columns);
}

uint32_t model::multiplied(uint32_t x, uint32_t y, int64_t rows, int64_t columns) {
    return operation(OH_NN_OPS_MUL, {}, { x, y }, rows, columns);
}

bool model::finish(const std::vector<uint32_t> & inputs, const std::vector<uint32_t> & outputs) {
    if (failure) {
        return false;
    }
    std::vector<uint32_t>   in(inputs), out(outputs);
    const OH_NN_UInt32Array from = { in.data(), static_cast<uint32_t>(in.size()) };
    const OH_NN_UInt32Array to   = { out.data(), static_cast<uint32_t>(out.size()) };
    return ok(nn().OH_NNModel_SpecifyInputsAndOutputs(made, &from, &to), "OH_NNModel_SpecifyInputsAndOutputs") &&
           ok(nn().OH_NNModel_Finish(made), "OH_NNModel_Finish");
}

}  // namespace ggml_nnrt
