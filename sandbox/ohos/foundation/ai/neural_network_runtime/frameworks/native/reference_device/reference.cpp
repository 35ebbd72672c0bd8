// SPDX-License-Identifier: Apache-2.0
// What the reference device answers before and beside computing; it is made known when the library is loaded.
#include "reference.h"
#include "plan.h"

#include <sys/mman.h>
#include <unistd.h>

namespace nnrt {

// By the kind of the operation alone, as the sample driver of OpenHarmony: a yes promises no data type.
bool Reference::Supports(const Graph &, const Node &node) const
{
    return KernelOf(node.op) != nullptr && !traits_.refused.test(static_cast<size_t>(node.op));
}

std::shared_ptr<Prepared> Reference::Prepare(const Graph &graph, const Options &options)
{
    return Dead() ? nullptr : MakePlan(*this, graph, options);
}

int Reference::Allocate(size_t size)
{
    const int fd = Dead() ? -1 : memfd_create("nnrt", MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, static_cast<off_t>(size)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

Reference::Fate Reference::Next()
{
    if (Dead()) {
        return Fate::FAILS;
    }
    const uint64_t run = runs_.fetch_add(1) + 1;
    if (run == traits_.dieRun) {
        dead_ = true;
        return Fate::DIES;
    }
    const bool fails = traits_.failRun != 0 && (run == traits_.failRun || (traits_.failOn && run > traits_.failRun));
    return fails ? Fate::FAILS : Fate::COMPUTES;
}

namespace {

struct AtLoad {
    AtLoad()
    {
        for (const Traits &traits : Wanted()) {
            Register(new Reference(traits));       // as long as the library: handles may outlive the destructors of statics
        }
    }
} g_atLoad;

}

}
