// SPDX-License-Identifier: Apache-2.0
// Which weights have a unit: what a model's graph offers, chosen under a byte budget, proven, and given up when a run fails.
#pragma once

#include "trust.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace ggml_nnrt {

// Rows of a unit: a prompt goes through it in pieces of this size, the last one padded. 64, less where few are enough to come here.
int64_t rows_of_unit();

// After the id of a block: its unit for a single token.
inline const char * const ONE = "@1";

// A block whose fate is settled: the units that it has, none if the CPU computes it; `off` if a run failed.
struct entry {
    std::string                  id;
    kind                         what;
    std::vector<const void *>    weights;         // addresses
    std::vector<uint64_t>        fingerprints;
    std::vector<int64_t>         widths;          // of the outputs
    std::vector<const void *>    users;           // the backends that have seen it
    std::unique_ptr<unit>        made;            // for a piece of a prompt, or fewer rows
    std::unique_ptr<unit>        one;             // for a single token, where that pays
    std::atomic<bool>            off{ false };

    unit *  fitting(int64_t rows) const { return off ? nullptr : rows == 1 ? one.get() : made.get(); }
    bool    usable() const { return made && !off; }
    int64_t bytes() const { return (made ? made->size : 0) + (one ? one->size : 0); }
};

class store {
  public:
    explicit store(device on) : on(std::move(on)) {}

    // So many rows of a weight may go to the device if it has a unit for them or nothing is settled about it yet.
    bool welcome(const struct ggml_tensor * weight, int64_t rows);

    // What computes so many rows of this block, with the output of the unit that its first output is. nullptr: the CPU does.
    std::shared_ptr<entry> find(const block & wanted, int64_t rows, size_t & output);

    // Note what a graph offers. Seeing a block again means that the whole model was seen: settle().
    void observe(const struct ggml_cgraph * graph, const void * user, cpu & beside);

    // Choose, compile and prove what was noted. Layers from the last backwards: whole feed-forward blocks, then
    // products that share an input, then single ones; what only the rows of answers go through comes after all that.
    void settle(const void * user, cpu & beside);

    void leave(const void * user);     // the last user of a unit takes it along
    void give_up(entry & failed, const char * why);

    const device on;

  private:
    struct place {
        std::shared_ptr<entry> of;
        size_t                 output;
    };

    const place * known(const struct ggml_tensor * weight) const;
    void          settle_one(const block & offered, const void * user, cpu & beside);
    std::unique_ptr<unit> proven(const block & offered, int64_t rows, const std::string & id, cpu & beside, bool & divide);
    void          keep(const std::shared_ptr<entry> & made);
    int64_t       budget();

    mutable std::mutex                      lock;
    std::unordered_map<const void *, place> places;     // by the address of a weight
    std::vector<block>                      noted;
    const struct ggml_tensor *              noted_input = nullptr;    // of the last of them
    std::map<std::string, std::string>      slower;     // shapes that lost to the CPU, and who lost
    std::map<std::string, int>              refused;    // shapes that NNRt did not build, and how often
    int64_t                                 given = -1, used = 0;
};

}  // namespace ggml_nnrt
