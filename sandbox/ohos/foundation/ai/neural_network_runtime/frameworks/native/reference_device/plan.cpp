// SPDX-License-Identifier: Apache-2.0
// Compiling: the order of operations, shapes and types as far as they are closed, and the layout of constant matrices.
#include "plan.h"
#include "inner/sizes.h"
#include "kernels.h"

namespace nnrt {

bool Closed(const std::vector<int32_t> &dims, Shape &shape)
{
    shape = Shape();
    for (int32_t dim : dims) {
        if (dim <= 0 || shape.rank == MOST_RANK) {
            return false;
        }
        shape.Push(dim);
    }
    return true;
}

bool Agrees(const std::vector<int32_t> &declared, const Shape &shape)
{
    if (declared.size() != shape.rank) {
        // A scalar may be declared as one element, and one element as a scalar.
        return declared.size() + shape.rank == 1 && (declared.empty() ? shape.dims[0] == 1 : declared[0] == 1 || declared[0] == -1);
    }
    for (uint32_t i = 0; i < shape.rank; i++) {
        if (declared[i] != -1 && declared[i] != shape.dims[i]) {
            return false;
        }
    }
    return true;
}

namespace {

// Operations in an order in which each finds its operands made. False if there is none.
bool Order(const Graph &graph, std::vector<size_t> &order)
{
    std::vector<bool> there(graph.tensors.size()), done(graph.nodes.size());
    for (size_t i = 0; i < there.size(); i++) {
        there[i] = graph.tensors[i].data != nullptr;
    }
    for (uint32_t input : graph.inputs) {
        there[input] = true;
    }
    for (bool moved = true; moved && order.size() < graph.nodes.size();) {
        moved = false;
        for (size_t i = 0; i < graph.nodes.size(); i++) {
            const Node &node = graph.nodes[i];
            bool ready = !done[i];
            for (uint32_t input : node.inputs) {
                ready = ready && there[input];
            }
            if (!ready) {
                continue;
            }
            for (uint32_t output : node.outputs) {
                if (there[output]) {
                    return false;           // a second maker, or a constant
                }
                there[output] = true;
            }
            done[i] = moved = true;
            order.push_back(i);
        }
    }
    for (uint32_t output : graph.outputs) {
        if (!there[output]) {
            return false;
        }
    }
    return order.size() == graph.nodes.size();
}

View ViewOf(const Tensor &tensor)
{
    View view;
    view.type = tensor.type;
    view.data = tensor.data == nullptr ? nullptr : tensor.data->data();
    view.quant = &tensor.quant;
    return view;
}

// A copy of single-precision constants as they are after half precision.
bool Round(Tensor &tensor)
{
    auto copy = std::make_shared<Bytes>(tensor.data->size());
    if (copy->size() != tensor.data->size()) {
        return false;
    }
    memcpy(copy->data(), tensor.data->data(), copy->size());
    RoundToHalf(reinterpret_cast<float *>(copy->data()), copy->size() / sizeof(float));
    tensor.data = std::move(copy);
    return true;
}

class Maker {
public:
    Maker(Plan &plan, const Graph &graph) : plan_(plan), graph_(graph), shapes_(graph.tensors.size()), known_(graph.tensors.size()) {}

    bool All(const std::vector<size_t> &order)
    {
        for (size_t i = 0; i < graph_.tensors.size(); i++) {
            const Tensor &tensor = graph_.tensors[i];
            const bool given = tensor.data != nullptr || IsInput(i);
            known_[i] = given && Closed(tensor.dims, shapes_[i]);
            if (given && !known_[i] && (!plan_.device->TheTraits().dynamic || tensor.dims.size() > MOST_RANK)) {
                return false;
            }
            if (tensor.role == OH_NN_TENSOR && !TypeFits(tensor.type)) {
                return false;
            }
        }
        for (size_t i : order) {
            if (!Add(graph_.nodes[i])) {
                return false;
            }
        }
        return Constants();
    }

private:
    bool IsInput(size_t index) const
    {
        for (uint32_t input : graph_.inputs) {
            if (input == index) {
                return true;
            }
        }
        return false;
    }

    bool TypeFits(OH_NN_DataType type) const
    {
        return type != OH_NN_UNKNOWN && (type != OH_NN_FLOAT32 || !plan_.device->TheTraits().onlyFloat16 || plan_.float16);
    }

    bool Add(const Node &node)
    {
        Step step{node, KernelOf(node.op), nullptr};
        std::vector<View> inputs, outputs(node.outputs.size());
        bool closed = true;
        for (uint32_t index : node.inputs) {
            inputs.push_back(ViewOf(graph_.tensors[index]));
            if (IsInput(index)) {
                inputs.back().data = nullptr;       // a constant may be an input; the caller's data counts then
            }
            inputs.back().shape = shapes_[index];
            closed = closed && known_[index];
        }
        for (size_t i = 0; i < outputs.size(); i++) {
            outputs[i].quant = &graph_.tensors[node.outputs[i]].quant;
            outputs[i].type = graph_.tensors[node.outputs[i]].type;
        }
        if (closed && !Infer(step, inputs, outputs)) {
            return false;
        }
        Matrix matrix;
        size_t n = 0, k = 0;
        const int which = MatrixOf(node, inputs, matrix, n, k);
        if (which >= 0) {
            step.packed = std::make_unique<Packed>();
            if (!Pack(ThePool(), matrix, n, k, matrix.half || plan_.float16, *step.packed)) {
                return false;
            }
            laidOut_.push_back(node.inputs[static_cast<size_t>(which)]);
        }
        for (size_t i = 0; i < node.inputs.size(); i++) {
            if (static_cast<int>(i) != which) {
                plain_.push_back(node.inputs[i]);
            }
        }
        plan_.steps.push_back(std::move(step));
        return true;
    }

    // Types and shapes, where all operands are closed; what their values decide is left to the run.
    bool Infer(const Step &step, const std::vector<View> &inputs, std::vector<View> &outputs)
    {
        std::vector<View> told = outputs;
        if (!step.kernel->infer(step.node, inputs, told)) {
            return false;
        }
        for (size_t i = 0; i < told.size(); i++) {
            const uint32_t index = step.node.outputs[i];
            const Tensor &declared = graph_.tensors[index];
            if (told[i].type != declared.type || (!told[i].open && !told[i].Sound())) {
                return false;
            }
            known_[index] = !told[i].open;
            shapes_[index] = told[i].shape;
            if (known_[index] && !Agrees(declared.dims, told[i].shape)) {
                return false;
            }
        }
        return true;
    }

    // A matrix that was laid out is kept in that form alone; other constants are shared with the model or, rounded, copied.
    bool Constants()
    {
        for (uint32_t index : laidOut_) {
            bool needed = false;
            for (const std::vector<uint32_t> *list : {static_cast<const std::vector<uint32_t> *>(&plain_), &graph_.outputs, &graph_.inputs}) {
                for (uint32_t other : *list) {
                    needed = needed || other == index;
                }
            }
            if (!needed) {
                plan_.tensors[index].data = nullptr;
            }
        }
        for (Tensor &tensor : plan_.tensors) {
            if (tensor.role != OH_NN_TENSOR) {
                tensor.data = nullptr;           // steps have their parameters
            } else if (plan_.float16 && tensor.data != nullptr && tensor.type == OH_NN_FLOAT32 && !Round(tensor)) {
                return false;
            }
        }
        return true;
    }

    Plan &plan_;
    const Graph &graph_;
    std::vector<Shape> shapes_;
    std::vector<bool> known_;
    std::vector<uint32_t> laidOut_, plain_;
};

std::vector<Port> Ports(const Graph &graph, const std::vector<uint32_t> &indices)
{
    std::vector<Port> ports;
    for (uint32_t index : indices) {
        ports.push_back({graph.tensors[index].type, graph.tensors[index].dims, "Tensor: " + std::to_string(index)});
    }
    return ports;
}

uint64_t ConstantBytes(const Graph &graph)
{
    uint64_t bytes = 0;
    for (const Tensor &tensor : graph.tensors) {
        bytes += tensor.data == nullptr ? 0 : tensor.data->size();
    }
    return bytes;
}

}

std::shared_ptr<Prepared> MakePlan(Reference &device, const Graph &graph, const Options &options)
{
    const uint64_t most = device.TheTraits().most;
    std::vector<size_t> order;
    if ((most != 0 && ConstantBytes(graph) > most) || !Order(graph, order)) {
        return nullptr;
    }
    auto plan = std::make_shared<Plan>();
    plan->device = &device;
    plan->float16 = options.float16;
    plan->tensors = graph.tensors;
    plan->inputTensors = graph.inputs;
    plan->outputTensors = graph.outputs;
    plan->inputs = Ports(graph, graph.inputs);
    plan->outputs = Ports(graph, graph.outputs);
    return Maker(*plan, graph).All(order) ? plan : nullptr;
}

bool Plan::Range(size_t input, std::vector<size_t> &least, std::vector<size_t> &most) const
{
    if (!device->TheTraits().range) {
        return false;
    }
    least.clear();
    most.clear();
    for (int32_t dim : inputs[input].dims) {
        least.push_back(dim == -1 ? 1 : static_cast<size_t>(dim));
        most.push_back(dim == -1 ? MOST_OPEN : static_cast<size_t>(dim));
    }
    return true;
}

}
