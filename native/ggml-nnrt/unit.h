// SPDX-License-Identifier: Apache-2.0
// A block of a graph as one compiled NNRt model for a fixed number of rows; fewer rows are padded, more take several runs.
#pragma once

#include "cpu.h"
#include "executor.h"
#include "pattern.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace ggml_nnrt {

class unit {
  public:
    // Compile the block; its weights become constants. nullptr, and `why`, if NNRt or the device refuses.
    static std::unique_ptr<unit> compile(const block & from, int64_t rows, const device & on, cpu & reader, std::string & why);

    // A product whose weight is given for each run, for what is no weight of a model.
    static std::unique_ptr<unit> compile_product(int64_t columns, int64_t outputs, int64_t rows, const device & on, std::string & why);

    ~unit();

    // What compile() would take: constants and tensors of the device.
    static int64_t bytes(const block & from, int64_t rows);

    // Give the weight of a compile_product() unit, as fp16 or fp32 (config.weights).
    void give_weight(const std::vector<uint8_t> & data);

    // outputs[k] (nullptr: not wanted) gets `count` rows. False if NNRt fails or gives a number that is none.
    bool run(const float * input, int64_t count, const std::vector<float *> & outputs);

    struct totals {
        int64_t calls = 0, rows = 0, nnrt_us = 0, own_us = 0;   // own: all that the delegate does for a call but NNRt's part
    };

    std::mutex  busy;          // of whoever runs it
    totals      spent;
    std::string ops;           // as compiled: MATMUL MATMUL SWISH MUL MUL MATMUL
    int64_t     size       = 0;
    int64_t     compile_us = 0;

  private:
    bool run_once(const float * input, int64_t count, int64_t first, const std::vector<float *> & outputs);

    std::unique_ptr<executor> compiled;
    int64_t                   rows = 0, columns = 0;
    std::vector<int64_t>      widths;    // of the outputs
};

// The device takes SWISH (API 12 and a driver that has it); else SIGMOID and MUL say the same. Asked once by a model of two numbers.
bool has_swish(const device & on);

}  // namespace ggml_nnrt
