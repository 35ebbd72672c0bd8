// SPDX-License-Identifier: Apache-2.0
// Threads that share the work of one operation.
#ifndef NNRT_REFERENCE_POOL_H
#define NNRT_REFERENCE_POOL_H

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stddef.h>
#include <thread>
#include <vector>

namespace nnrt {

class Pool {
public:
    explicit Pool(size_t threads);
    ~Pool();
    size_t Threads() const { return workers_.size() + 1; }

    // Calls work(i) for each i below count, in any order and on any thread; the caller works too. If another run has the
    // threads, this one goes on alone.
    template <class Work> void For(size_t count, const Work &work)
    {
        Each(count, [](const void *self, size_t i) { (*static_cast<const Work *>(self))(i); }, &work);
    }

private:
    using Step = void (*)(const void *, size_t);
    void Each(size_t count, Step step, const void *work);
    void Take(Step step, const void *work, size_t count);
    void Serve();

    std::mutex busy_, lock_;
    std::condition_variable wake_, done_;
    std::vector<std::thread> workers_;
    std::atomic<uint64_t> round_{0};
    std::atomic<size_t> next_{0}, serving_{0};
    size_t count_ = 0;
    Step step_ = nullptr;
    const void *work_ = nullptr;
    bool stop_ = false;
};

Pool &ThePool();

}
#endif
