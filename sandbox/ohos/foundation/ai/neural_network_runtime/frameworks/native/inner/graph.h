// SPDX-License-Identifier: Apache-2.0
// A model as the runtime library builds it and a device takes it.
#ifndef NNRT_INNER_GRAPH_H
#define NNRT_INNER_GRAPH_H

#include "neural_network_runtime/neural_network_runtime.h"

#include <memory>
#include <string.h>
#include <string>
#include <vector>

namespace nnrt {

// Memory that may be too large to be had: no exceptions here, so size() says whether it was.
class Bytes {
public:
    Bytes() = default;
    explicit Bytes(size_t size) : data_(static_cast<uint8_t *>(malloc(size))), size_(data_ == nullptr ? 0 : size) {}
    Bytes(const Bytes &) = delete;
    Bytes &operator=(const Bytes &) = delete;
    ~Bytes() { free(data_); }
    uint8_t *data() const { return data_; }
    size_t size() const { return size_; }

private:
    uint8_t *data_ = nullptr;
    size_t size_ = 0;
};

struct Quant {
    std::vector<double> scales;
    std::vector<int32_t> zeroPoints;
    std::vector<uint32_t> numBits;
};

struct Tensor {
    OH_NN_DataType type = OH_NN_UNKNOWN;
    OH_NN_TensorType role = OH_NN_TENSOR;
    std::vector<int32_t> dims;          // none: one element
    Quant quant;
    std::shared_ptr<Bytes> data;        // of a constant or a parameter
};

// A parameter that was given to an operation, as it was read then.
struct Param {
    OH_NN_TensorType kind;
    OH_NN_DataType type;
    std::shared_ptr<Bytes> data;
};

struct Node {
    OH_NN_OperationType op;
    std::vector<uint32_t> inputs, outputs;
    std::vector<Param> params;

    const Param *Find(OH_NN_TensorType kind) const
    {
        for (const Param &param : params) {
            if (param.kind == kind) {
                return &param;
            }
        }
        return nullptr;
    }

    // One number of the parameter `kind`, or `otherwise` if it was not given.
    template <class T> T One(OH_NN_TensorType kind, T otherwise) const
    {
        const Param *param = Find(kind);
        if (param == nullptr || param->data->size() < sizeof(T)) {
            return otherwise;
        }
        T value;
        memcpy(&value, param->data->data(), sizeof(T));
        return value;
    }

    // All numbers of the parameter `kind`; none if it was not given.
    std::vector<int64_t> Many(OH_NN_TensorType kind) const
    {
        const Param *param = Find(kind);
        std::vector<int64_t> values(param == nullptr ? 0 : param->data->size() / sizeof(int64_t));
        if (!values.empty()) {
            memcpy(values.data(), param->data->data(), values.size() * sizeof(int64_t));
        }
        return values;
    }
};

struct Graph {
    std::vector<Tensor> tensors;
    std::vector<Node> nodes;
    std::vector<uint32_t> inputs, outputs;
};

}
#endif
