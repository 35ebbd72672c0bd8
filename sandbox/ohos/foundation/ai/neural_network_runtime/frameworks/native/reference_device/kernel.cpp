// SPDX-License-Identifier: Apache-2.0
// Which operation has which kernel. What is not here a builder may name, but this device refuses it.
#include "kernels.h"

namespace nnrt {
namespace {

constexpr Kernel UNARY = {InferUnary, RunUnary}, BINARY = {InferBinary, RunBinary}, MATMUL = {InferMatMul, RunMatMul},
                 FULL_CONNECTION = {InferFullConnection, RunFullConnection}, SOFTMAX = {InferSoftmax, RunSoftmax};

}

const Kernel *KernelOf(OH_NN_OperationType op)
{
    switch (op) {
        case OH_NN_OPS_ABS:
        case OH_NN_OPS_CEIL:
        case OH_NN_OPS_CLIP:
        case OH_NN_OPS_COS:
        case OH_NN_OPS_ERF:
        case OH_NN_OPS_EXP:
        case OH_NN_OPS_FLOOR:
        case OH_NN_OPS_GELU:
        case OH_NN_OPS_HARD_SIGMOID:
        case OH_NN_OPS_HSWISH:
        case OH_NN_OPS_LEAKY_RELU:
        case OH_NN_OPS_LOG:
        case OH_NN_OPS_LOGICAL_NOT:
        case OH_NN_OPS_NEG:
        case OH_NN_OPS_RECIPROCAL:
        case OH_NN_OPS_RELU:
        case OH_NN_OPS_RELU6:
        case OH_NN_OPS_ROUND:
        case OH_NN_OPS_RSQRT:
        case OH_NN_OPS_SIGMOID:
        case OH_NN_OPS_SIN:
        case OH_NN_OPS_SQRT:
        case OH_NN_OPS_SQUARE:
        case OH_NN_OPS_SWISH:
        case OH_NN_OPS_TANH:
            return &UNARY;
        case OH_NN_OPS_ADD:
        case OH_NN_OPS_BIAS_ADD:
        case OH_NN_OPS_DIV:
        case OH_NN_OPS_ELTWISE:
        case OH_NN_OPS_EQUAL:
        case OH_NN_OPS_GREATER:
        case OH_NN_OPS_GREATER_EQUAL:
        case OH_NN_OPS_LESS:
        case OH_NN_OPS_LESS_EQUAL:
        case OH_NN_OPS_LOGICAL_AND:
        case OH_NN_OPS_LOGICAL_OR:
        case OH_NN_OPS_MAXIMUM:
        case OH_NN_OPS_MINIMUM:
        case OH_NN_OPS_MOD:
        case OH_NN_OPS_MUL:
        case OH_NN_OPS_NOT_EQUAL:
        case OH_NN_OPS_POW:
        case OH_NN_OPS_PRELU:
        case OH_NN_OPS_SQUARED_DIFFERENCE:
        case OH_NN_OPS_SUB:
            return &BINARY;
        case OH_NN_OPS_MATMUL:
            return &MATMUL;
        case OH_NN_OPS_FULL_CONNECTION:
            return &FULL_CONNECTION;
        case OH_NN_OPS_SOFTMAX:
        case OH_NN_OPS_LOG_SOFTMAX:
            return &SOFTMAX;
        default:
            return nullptr;
    }
}

}
