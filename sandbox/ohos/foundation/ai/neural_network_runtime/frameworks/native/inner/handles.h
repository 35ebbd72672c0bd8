// SPDX-License-Identifier: Apache-2.0
// What lies behind the opaque handles that both libraries look into.
#ifndef NNRT_INNER_HANDLES_H
#define NNRT_INNER_HANDLES_H

#include "device.h"

#include <map>
#include <mutex>

struct OH_NNModel {
    std::shared_ptr<nnrt::Graph> graph;      // never null
    bool specified = false;
    bool finished = false;
    bool spoilt = false;                     // Finish failed
    std::unique_ptr<bool[]> supported;       // the last answer of GetAvailableOperations
};

struct NN_TensorDesc {
    OH_NN_DataType type = OH_NN_UNKNOWN;
    OH_NN_Format format = OH_NN_FORMAT_NONE;
    std::vector<int32_t> dims;
    std::string name;
};

struct NN_Tensor {
    size_t device = 0;
    NN_TensorDesc desc;
    int fd = -1;
    bool owned = false;
    size_t size = 0, offset = 0;
    void *data = nullptr;
};

struct NN_QuantParam {
    nnrt::Quant quant;
};

// Input or output of the old calls: where its data is, and its real dims.
struct Place {
    bool set = false;
    std::vector<int32_t> dims;
    void *data = nullptr;
    size_t size = 0;
    std::shared_ptr<nnrt::Bytes> own;        // the copy of an input
};

struct OH_NNExecutor {
    std::shared_ptr<nnrt::Prepared> prepared;
    std::unique_ptr<nnrt::Session> session;
    size_t device = 0;
    std::mutex lock;                                     // one run at a time
    std::vector<std::vector<int32_t>> outputDims;        // of the last run, else as declared
    std::vector<std::vector<size_t>> least, most;        // what GetInputDimRange gave
    std::vector<Place> inputs, outputs;                  // of the old calls
    std::multimap<uint32_t, OH_NN_Memory *> inputMemory, outputMemory;
    ~OH_NNExecutor();
};

namespace nnrt {
// The bytes that a description needs; 0 if it is open, too large or says too little.
size_t Needed(const NN_TensorDesc &desc);
// Frees memory of the old calls.
NNRT_INNER void FreeMemory(OH_NN_Memory *memory);
// Runs, writes outputDims; the caller holds the lock. A failure of the driver is OH_NN_UNAVAILABLE_DEVICE.
NNRT_INNER OH_NN_ReturnCode RunLocked(OH_NNExecutor &executor, std::vector<Slot> &inputs, std::vector<Slot> &outputs);
}
#endif
