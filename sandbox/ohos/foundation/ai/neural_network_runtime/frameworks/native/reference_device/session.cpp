// SPDX-License-Identifier: Apache-2.0
// Running a plan: inputs where the caller has them, outputs straight into the caller's memory, buffers kept from run to run.
#include "plan.h"
#include "inner/sizes.h"

#include <time.h>

namespace nnrt {
namespace {

void Wait(uint64_t microseconds)
{
    timespec time{static_cast<time_t>(microseconds / 1000000), static_cast<long>(microseconds % 1000000 * 1000)};
    nanosleep(&time, nullptr);
}

class Running final : public Session {
public:
    explicit Running(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)), views_(plan_->tensors.size()), buffers_(plan_->tensors.size())
    {
        for (size_t i = 0; i < views_.size(); i++) {
            const Tensor &tensor = plan_->tensors[i];
            views_[i].type = tensor.type;
            views_[i].quant = &tensor.quant;
            views_[i].data = tensor.data == nullptr ? nullptr : tensor.data->data();
            Closed(tensor.dims, views_[i].shape);
        }
    }

    OH_NN_ReturnCode Run(std::vector<Slot> &inputs, std::vector<Slot> &outputs) override
    {
        const Reference::Fate fate = plan_->device->Next();
        if (plan_->device->TheTraits().latency != 0) {
            Wait(plan_->device->TheTraits().latency);
        }
        if (fate == Reference::Fate::FAILS || !Take(inputs)) {
            return OH_NN_FAILED;
        }
        const size_t steps = fate == Reference::Fate::DIES ? plan_->steps.size() / 2 : plan_->steps.size();
        for (size_t i = 0; i < steps; i++) {
            if (!Do(plan_->steps[i], outputs)) {
                return OH_NN_FAILED;
            }
        }
        if (fate == Reference::Fate::DIES) {
            for (Slot &slot : outputs) {
                memset(slot.data, 0x7f, slot.size / 2);        // half written
            }
            return OH_NN_FAILED;
        }
        return Give(outputs) ? OH_NN_SUCCESS : OH_NN_FAILED;
    }

private:
    bool Take(const std::vector<Slot> &inputs)
    {
        for (size_t i = 0; i < inputs.size(); i++) {
            View &view = views_[plan_->inputTensors[i]];
            const Slot &slot = inputs[i];
            Shape shape;
            if (slot.type != plan_->inputs[i].type || !Closed(slot.dims, shape) || !Agrees(plan_->inputs[i].dims, shape)) {
                return false;
            }
            view.shape = shape;
            if (slot.size < view.Size()) {
                return false;
            }
            view.data = static_cast<uint8_t *>(slot.data);
            if (plan_->float16 && view.type == OH_NN_FLOAT32) {
                view.data = Buffer(plan_->inputTensors[i], view.Size());
                if (view.data == nullptr) {
                    return false;
                }
                memcpy(view.data, slot.data, view.Size());
                RoundToHalf(view.As<float>(), view.Size() / sizeof(float));
            }
        }
        return true;
    }

    bool Do(const Step &step, std::vector<Slot> &slots)
    {
        operands_.clear();
        results_.clear();
        for (uint32_t index : step.node.inputs) {
            operands_.push_back(views_[index]);
        }
        for (uint32_t index : step.node.outputs) {
            results_.push_back(views_[index]);
        }
        if (!step.kernel->infer(step.node, operands_, results_)) {
            return false;
        }
        for (size_t i = 0; i < results_.size(); i++) {
            const uint32_t index = step.node.outputs[i];
            View &view = results_[i];
            if (view.open || !view.Sound() || view.type != plan_->tensors[index].type || !Agrees(plan_->tensors[index].dims, view.shape)) {
                return false;
            }
            view.data = Destination(index, view.Size(), slots);
            if (view.data == nullptr && view.Size() != 0) {
                return false;
            }
            views_[index] = view;
        }
        const Call call{step.node, operands_, results_, ThePool(), step.packed.get(), scratch_, scratchPacked_, plan_->device->TheTraits().narrow};
        if (!step.kernel->run(call)) {
            return false;
        }
        for (const View &view : results_) {
            if (plan_->float16 && view.type == OH_NN_FLOAT32) {
                RoundToHalf(view.As<float>(), view.Size() / sizeof(float));
            }
        }
        return true;
    }

    // Where a result goes: into the caller's output if it is one and fits, else into a buffer of ours.
    uint8_t *Destination(uint32_t index, size_t size, std::vector<Slot> &slots)
    {
        for (size_t i = 0; i < slots.size(); i++) {
            if (plan_->outputTensors[i] == index && slots[i].size >= size) {
                return static_cast<uint8_t *>(slots[i].data);
            }
        }
        return Buffer(index, size);
    }

    uint8_t *Buffer(uint32_t index, size_t size)
    {
        std::unique_ptr<Bytes> &buffer = buffers_[index];
        if (buffer == nullptr || buffer->size() < size) {
            buffer = std::make_unique<Bytes>(size);
        }
        return buffer->size() < size ? nullptr : buffer->data();
    }

    bool Give(std::vector<Slot> &outputs)
    {
        for (size_t i = 0; i < outputs.size(); i++) {
            const View &view = views_[plan_->outputTensors[i]];
            Slot &slot = outputs[i];
            if (slot.type != view.type || slot.size < view.Size()) {
                return false;
            }
            if (slot.data != view.data) {
                memcpy(slot.data, view.data, view.Size());
            }
            slot.dims.assign(view.shape.dims, view.shape.dims + view.shape.rank);
            if (slot.dims.empty() && plan_->outputs[i].dims.size() == 1) {
                slot.dims.push_back(1);          // a scalar that was declared as one element
            }
        }
        return true;
    }

    std::shared_ptr<const Plan> plan_;
    std::vector<View> views_;
    std::vector<std::unique_ptr<Bytes>> buffers_;
    std::vector<View> operands_, results_;
    std::vector<std::vector<float>> scratch_;
    Packed scratchPacked_;
};

}

std::unique_ptr<Session> Plan::Open()
{
    return std::make_unique<Running>(shared_from_this());
}

}
