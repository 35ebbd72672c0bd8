// SPDX-License-Identifier: Apache-2.0
// The reference device: computes on this machine's processor, and behaves as it was told to.
#ifndef NNRT_REFERENCE_REFERENCE_H
#define NNRT_REFERENCE_REFERENCE_H

#include "inner/device.h"
#include "view.h"

#include <bitset>

namespace nnrt {

// One device of KILN_NNRT_DEVICES (README.md).
struct Traits {
    std::string name;
    OH_NN_DeviceType type = OH_NN_CPU;
    bool float16 = true;             // EnableFloat16 is possible
    bool onlyFloat16 = false;        // no single precision but as inputs and outputs of a compilation with EnableFloat16
    bool dynamic = true;             // takes open dimensions
    bool range = true;               // can tell the range of an input
    bool cache = true, performance = true, priority = true;
    bool narrow = false;             // sums in half precision
    std::bitset<128> refused;        // operations
    uint64_t latency = 0;            // microseconds that each run waits before it computes
    uint64_t failRun = 0, dieRun = 0;
    bool failOn = false;             // failRun and all after it
    uint64_t most = 0;               // bytes of constants that one model may have; 0: any
};

// The devices that the environment asks for.
std::vector<Traits> Wanted();

class Reference final : public Device {
public:
    explicit Reference(const Traits &traits) : traits_(traits) {}
    const char *Name() const override { return traits_.name.c_str(); }
    OH_NN_DeviceType Type() const override { return traits_.type; }
    bool HasFloat16() const override { return traits_.float16; }
    bool HasPerformance() const override { return traits_.performance; }
    bool HasPriority() const override { return traits_.priority; }
    bool HasCache() const override { return traits_.cache; }
    bool Supports(const Graph &graph, const Node &node) const override;
    std::shared_ptr<Prepared> Prepare(const Graph &graph, const Options &options) override;
    int Allocate(size_t size) override;

    // What happens to the next run: it computes, it fails, or the driver dies in the middle of it.
    enum class Fate { COMPUTES, FAILS, DIES };
    Fate Next();
    bool Dead() const { return dead_.load(); }
    const Traits &TheTraits() const { return traits_; }

private:
    Traits traits_;
    std::atomic<uint64_t> runs_{0};
    std::atomic<bool> dead_{false};
};

}
#endif
