// SPDX-License-Identifier: Apache-2.0
// An NNRt model under construction, by the functions of API 11 where the library has them, else by those of API 9.
#pragma once

#include "config.h"
#include "library.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ggml_nnrt {

class model {
  public:
    explicit model(precision numbers);
    ~model();
    model(const model &) = delete;
    model & operator=(const model &) = delete;

    // Each gives the index of the tensor that it adds. After the first failure nothing more is done.
    uint32_t variable(int64_t rows, int64_t columns);
    uint32_t constant(int64_t rows, int64_t columns, const std::vector<uint8_t> & data);   // NNRt copies
    uint32_t product(uint32_t x, uint32_t weight, int64_t rows, int64_t columns);           // x times weight transposed
    uint32_t activation(OH_NN_OperationType op, uint32_t x, int64_t rows, int64_t columns); // one input, the same shape
    uint32_t multiplied(uint32_t x, uint32_t y, int64_t rows, int64_t columns);

    // The inputs and outputs in the order of the executor's.
    bool finish(const std::vector<uint32_t> & inputs, const std::vector<uint32_t> & outputs);

    OH_NNModel * get() const { return made; }
    const char * failed() const { return failure; }    // the function that failed, nullptr if none did

  private:
    uint32_t tensor(OH_NN_DataType type, const int32_t * shape, uint32_t rank, OH_NN_TensorType role);
    uint32_t parameter(OH_NN_TensorType role, OH_NN_DataType type, const void * value, size_t size);
    uint32_t operation(OH_NN_OperationType op, std::vector<uint32_t> parameters, std::vector<uint32_t> inputs, int64_t rows, int64_t columns);
    bool     ok(OH_NN_ReturnCode code, const char * function);

    OH_NNModel *   made;
    OH_NN_DataType type;
    uint32_t       count   = 0;
    const char *   failure = nullptr;
};

}  // namespace ggml_nnrt
