// SPDX-License-Identifier: Apache-2.0
// The pool: workers look for work for a moment before they sleep, since an operation is often followed by another at once.
#include "pool.h"

#include <stdlib.h>

namespace nnrt {
namespace {

constexpr int LOOKS = 2000;      // about 20 us

size_t Wanted()
{
    const char *said = getenv("KILN_NNRT_THREADS");
    const size_t number = said == nullptr ? 0 : strtoul(said, nullptr, 10);
    const size_t there = std::thread::hardware_concurrency();
    return number > 0 && number <= 64 ? number : there == 0 ? 1 : there > 8 ? 8 : there;
}

inline void Pause()
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield");
#endif
}

}

Pool &ThePool()
{
    static Pool pool(Wanted());
    return pool;
}

Pool::Pool(size_t threads)
{
    for (size_t i = 1; i < threads; i++) {
        workers_.emplace_back([this] { Serve(); });
    }
}

Pool::~Pool()
{
    {
        std::lock_guard<std::mutex> held(lock_);
        stop_ = true;
        round_++;
    }
    wake_.notify_all();
    for (std::thread &worker : workers_) {
        worker.join();
    }
}

void Pool::Take(Step step, const void *work, size_t count)
{
    for (size_t i = next_.fetch_add(1); i < count; i = next_.fetch_add(1)) {
        step(work, i);
    }
}

void Pool::Each(size_t count, Step step, const void *work)
{
    if (count < 2 || workers_.empty() || !busy_.try_lock()) {
        for (size_t i = 0; i < count; i++) {
            step(work, i);
        }
        return;
    }
    {
        std::lock_guard<std::mutex> held(lock_);
        step_ = step;
        work_ = work;
        count_ = count;
        next_ = 0;
        serving_ = workers_.size();
        round_++;
    }
    wake_.notify_all();
    Take(step, work, count);
    for (int look = 0; serving_.load() != 0 && look < LOOKS; look++) {
        Pause();
    }
    if (serving_.load() != 0) {
        std::unique_lock<std::mutex> held(lock_);
        done_.wait(held, [this] { return serving_.load() == 0; });
    }
    busy_.unlock();
}

void Pool::Serve()
{
    uint64_t seen = 0;
    for (;;) {
        for (int look = 0; round_.load() == seen && look < LOOKS; look++) {
            Pause();
        }
        Step step;
        const void *work;
        size_t count;
        {
            std::unique_lock<std::mutex> held(lock_);
            wake_.wait(held, [&] { return round_.load() != seen; });
            if (stop_) {
                return;
            }
            seen = round_;
            step = step_;
            work = work_;
            count = count_;
        }
        Take(step, work, count);
        if (serving_.fetch_sub(1) == 1) {
            std::lock_guard<std::mutex> held(lock_);
            done_.notify_all();
        }
    }
}

}
