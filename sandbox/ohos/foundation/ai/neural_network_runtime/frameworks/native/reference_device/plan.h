// SPDX-License-Identifier: Apache-2.0
// A model that the reference device has compiled: the order of its operations, its constants, its laid out matrices.
#ifndef NNRT_REFERENCE_PLAN_H
#define NNRT_REFERENCE_PLAN_H

#include "reference.h"

namespace nnrt {

// One operation of a plan.
struct Step {
    Node node;
    const Kernel *kernel;
    std::unique_ptr<Packed> packed;
};

class Plan final : public Prepared, public std::enable_shared_from_this<Plan> {
public:
    std::unique_ptr<Session> Open() override;
    bool Range(size_t input, std::vector<size_t> &least, std::vector<size_t> &most) const override;

    Reference *device = nullptr;
    bool float16 = false;                   // what is between operations goes through half precision
    std::vector<Tensor> tensors;            // constants with their data
    std::vector<uint32_t> inputTensors, outputTensors;
    std::vector<Step> steps;                // each after those that it needs
};

constexpr size_t MOST_OPEN = 65536;      // what a dimension of -1 may become

// Null if the device cannot compile it: an operand that does not fit, an output that nothing makes, a cycle, no memory.
std::shared_ptr<Prepared> MakePlan(Reference &device, const Graph &graph, const Options &options);

// The shape of declared dims; false if one of them is open, or the rank too high.
bool Closed(const std::vector<int32_t> &dims, Shape &shape);
// May a tensor of this shape be where those dims are declared?
bool Agrees(const std::vector<int32_t> &declared, const Shape &shape);

}
#endif
