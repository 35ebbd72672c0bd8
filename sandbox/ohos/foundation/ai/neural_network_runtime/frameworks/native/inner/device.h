// SPDX-License-Identifier: Apache-2.0
// What the core library asks of a device; the runtime library brings the devices, as the real one does.
#ifndef NNRT_INNER_DEVICE_H
#define NNRT_INNER_DEVICE_H

#include "gate.h"
#include "graph.h"

namespace nnrt {

// An input or output of a model, as an executor shows it.
struct Port {
    OH_NN_DataType type;
    std::vector<int32_t> dims;
    std::string name;
};

// The memory of one run's input or output; a run writes the real dims of an output.
struct Slot {
    OH_NN_DataType type;
    std::vector<int32_t> dims;
    void *data;
    size_t size;
};

// A model made ready for a device. Several executors may share it, each with its own Session.
class Session {
public:
    virtual ~Session() = default;
    // Runs once. Anything but OH_NN_SUCCESS is a failure of the driver.
    virtual OH_NN_ReturnCode Run(std::vector<Slot> &inputs, std::vector<Slot> &outputs) = 0;
};

class Prepared {
public:
    virtual ~Prepared() = default;
    virtual std::unique_ptr<Session> Open() = 0;
    // The least and most of each dimension of an input. False if the device cannot tell.
    virtual bool Range(size_t input, std::vector<size_t> &least, std::vector<size_t> &most) const = 0;
    std::vector<Port> inputs, outputs;
};

struct Options {
    bool float16 = false;
    OH_NN_PerformanceMode performance = OH_NN_PERFORMANCE_NONE;
    OH_NN_Priority priority = OH_NN_PRIORITY_NONE;
};

class Device {
public:
    virtual ~Device() = default;
    virtual const char *Name() const = 0;
    virtual OH_NN_DeviceType Type() const = 0;
    virtual bool HasFloat16() const = 0;
    virtual bool HasPerformance() const = 0;
    virtual bool HasPriority() const = 0;
    virtual bool HasCache() const = 0;
    virtual bool Supports(const Graph &graph, const Node &node) const = 0;
    virtual std::shared_ptr<Prepared> Prepare(const Graph &graph, const Options &options) = 0;
    // Shared memory of that many bytes: a file descriptor of the caller's, or -1.
    virtual int Allocate(size_t size) = 0;
    size_t id = 0;
};

// Makes a device known under a hash of its name. It has to live as long as the library.
NNRT_INNER void Register(Device *device);
// The device of that id (0: some first one), or null.
NNRT_INNER Device *FindDevice(size_t id);

}
#endif
