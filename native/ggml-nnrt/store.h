// SPDX-License-Identifier: Apache-2.0
// Which weights have a unit: what a model's graph offers, chosen under a byte budget, proven, and given up when a run fails.
#pragma once

#include "trust.h"

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

// A block whose fate is settled. `made` is empty if the CPU computes it; `off` if a run failed.
struct entry {
    std::string                  id;
    kind                         what;
    std::vector<const void *>    weights;         // addresses
    std::vector<uint64_t>        fingerprints;
    std::vector<int64_t>         widths;          // of the outputs
    std::vector<const void *>    users;           // the backends that have seen it
    std::unique_ptr<unit>        made;
    verdict                      said;
    bool                         off = false;     // under made->busy

    bool usable() const { return made && !off; }
};

class store {
  public:
    explicit store(device on) : on(std::move(on)) {}

    // A weight may go to the device if it has a unit or nothing is settled about it yet.
    bool welcome(const struct ggml_tensor * weight);

    // The unit that computes this block, with the output of the unit that its first output is. nullptr: the CPU does.
    std::shared_ptr<entry> find(const block & wanted, size_t & output);

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
