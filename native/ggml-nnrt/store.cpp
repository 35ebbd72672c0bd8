// SPDX-License-Identifier: Apache-2.0
#include "store.h"

#include "ggml-impl.h"
#include "trace.h"
#include "weights.h"

#include <algorithm>
#include <cstdio>
#include <new>

namespace ggml_nnrt {

// From 200 MiB on NNRt wants an authentication; and while it compiles, memory holds about five times the constants.
static constexpr int64_t LARGEST = 72ll << 20, PEAK = 5;

static constexpr int TRIES = 2;    // of a shape that NNRt does not build: the first may have failed for another reason

int64_t rows_of_unit() { return std::clamp<int64_t>(2 * settings().min_batch, 16, 64); }

static int64_t available() {
    long long kib = 0;
    if (FILE * file = std::fopen("/proc/meminfo", "r")) {
        char line[128];
        while (std::fgets(line, sizeof line, file) && std::sscanf(line, "MemAvailable: %lld kB", &kib) != 1) {
        }
        std::fclose(file);
    }
    return kib * 1024;
}

static int64_t largest() {
    const int64_t free = available();
    return free ? std::min(LARGEST, free / PEAK) : LARGEST;
}

int64_t store::budget() {
    if (given < 0) {
        given = settings().budget >= 0 ? settings().budget : available() / 4;
    }
    return given;
}

const store::place * store::known(const struct ggml_tensor * weight) const {
    const auto found = places.find(weight->data);
    if (found == places.end()) {
        return nullptr;
    }
    // Another model may lie where a freed one lay.
    return found->second.of->fingerprints[found->second.output] == fingerprint(weight) ? &found->second : nullptr;
}

bool store::welcome(const struct ggml_tensor * weight, int64_t rows) {
    std::lock_guard<std::mutex> guard(lock);
    const place *               at = known(weight);
    return !at || at->of->fitting(rows);
}

std::shared_ptr<entry> store::find(const block & wanted, int64_t rows, size_t & output) {
    std::lock_guard<std::mutex> guard(lock);
    const place *               at = known(wanted.weights[0]);
    if (!at || !at->of->fitting(rows) || (at->of->what == kind::ffn) != (wanted.what == kind::ffn)) {
        return nullptr;
    }
    for (size_t i = 1; i < wanted.weights.size(); i++) {
        const place * other = known(wanted.weights[i]);
        if (!other || other->of != at->of || other->output != i) {
            return nullptr;
        }
    }
    output = wanted.what == kind::ffn ? 0 : at->output;
    return at->of;
}

static bool is_constant(const struct ggml_tensor * weight) {
    return weight->data && weight->buffer && ggml_backend_buffer_get_usage(weight->buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS &&
           (ggml_backend_buffer_is_host(weight->buffer) || is_repacked(ggml_backend_buffer_get_type(weight->buffer)));
}

static bool all_constant(const block & offered) {
    return std::all_of(offered.weights.begin(), offered.weights.end(), is_constant);
}

void store::observe(const struct ggml_cgraph * graph, const void * user, cpu & beside) {
    bool again = false;
    {
        std::lock_guard<std::mutex> guard(lock);
        for (int i = 0; i < graph->n_nodes; i++) {
            match found;
            if (!is_work(graph->nodes[i]) || !(match_ffn(graph, i, found) || match_single(graph, i, found)) || !all_constant(found.of)) {
                continue;
            }
            i = found.last;
            if (const place * at = known(found.of.weights[0])) {
                if (std::find(at->of->users.begin(), at->of->users.end(), user) == at->of->users.end()) {
                    at->of->users.push_back(user);
                }
                continue;
            }
            auto same = [&](const block & other) {
                return std::find(other.weights.begin(), other.weights.end(), found.of.weights[0]) != other.weights.end();
            };
            if (std::any_of(noted.begin(), noted.end(), same)) {
                again = true;
                break;
            }
            block * last = noted.empty() ? nullptr : &noted.back();
            if (last && last->what != kind::ffn && found.of.what == kind::single && noted_input == found.input && last->columns() == found.of.columns()) {
                last->what = kind::shared;
                last->weights.push_back(found.of.weights[0]);
            } else {
                noted.push_back(found.of);
            }
            noted_input = found.input;
        }
    }
    if (again) {
        settle(user, beside);
    }
}

void store::settle(const void * user, cpu & beside) {
    std::lock_guard<std::mutex> guard(lock);
    std::vector<block>          offers;
    for (const bool of_answers : { false, true }) {
        for (const kind what : { kind::ffn, kind::shared, kind::single }) {
            for (auto at = noted.rbegin(); at != noted.rend(); ++at) {
                if (at->what == what && at->of_answers == of_answers) {
                    offers.push_back(*at);
                }
            }
        }
    }
    noted.clear();
    for (const block & offered : offers) {
        settle_one(offered, user, beside);
    }
    if (!offers.empty()) {
        size_t units = 0;
        std::set<const entry *> seen;
        for (const auto & one : places) {
            units += one.second.of->usable() && seen.insert(one.second.of.get()).second;
        }
        GGML_LOG_INFO("nnrt: %zu units on %s, %.1f of %.1f MiB\n", units, on.name.c_str(), used / 1048576.0, budget() / 1048576.0);
    }
}

static std::string shapes_of(const block & offered, int64_t rows) {
    std::string text = std::to_string(static_cast<int>(offered.what)) + "," + std::to_string(rows);
    for (const struct ggml_tensor * weight : offered.weights) {
        text += "/" + std::to_string(weight->type) + "," + std::to_string(weight->ne[0]) + "," + std::to_string(weight->ne[1]);
    }
    return text;
}

// The parts of a block that did not become a unit: each product by itself.
static std::vector<block> parts(const block & whole) {
    std::vector<block> made;
    for (const struct ggml_tensor * weight : whole.weights) {
        made.push_back({ kind::single, { weight }, whole.of_answers });
    }
    return made;
}

// A unit of the block for so many rows, compiled and proven within the budget; nullptr if the CPU stays. `divide`: its parts may
// do better than the whole.
std::unique_ptr<unit> store::proven(const block & offered, int64_t rows, const std::string & id, cpu & beside, bool & divide) {
    std::unique_ptr<unit> made;
    verdict               said;
    const std::string     shape = shapes_of(offered, rows);
    const int64_t         size  = unit::bytes(offered, rows);
    const auto            loser = slower.find(shape);
    divide = false;
    if (loser != slower.end()) {
        said.why = "it is slower than the CPU, as " + loser->second + " was";
    } else if (size > largest()) {
        said.why = "it is too large for one unit";
        divide   = true;
    } else if (used + size > budget()) {
        said.why = "the budget is spent";
    } else if (refused[shape] >= TRIES) {
        said.why = "NNRt built none of its shape";
        divide   = true;
    } else {
        try {
            made = unit::compile(offered, rows, on, beside, said.why);
        } catch (const std::bad_alloc &) {    // no exception may reach llama.cpp through its C interface
            said.why = "no memory to compile it";
        }
        divide = !made;
        refused[shape] += !made;
    }
    const std::string ops        = made ? made->ops : "";
    const int64_t     compile_us = made ? made->compile_us : 0;
    if (made) {
        said = judge(*made, offered, rows, beside, settings().keep_correct);
        if (said.slower) {
            slower[shape] = id;
        }
        if (said.use) {
            used += made->size;
        } else {
            made.reset();
        }
    }
    trace_unit({ id, ops, size, compile_us, said.nnrt_us, said.cpu_us, said.use ? "nnrt" : "cpu", said.why });
    return made;
}

void store::settle_one(const block & offered, const void * user, cpu & beside) {
    auto made = std::make_shared<entry>();
    made->id     = offered.id();
    made->what   = offered.what;
    made->widths = offered.widths();
    made->users.push_back(user);
    for (const struct ggml_tensor * weight : offered.weights) {
        made->weights.push_back(weight->data);
        made->fingerprints.push_back(fingerprint(weight));
    }
    bool divide = false, never = false;
    made->made = proven(offered, rows_of_unit(), made->id, beside, divide);
    if (divide && offered.what != kind::single) {
        for (const block & part : parts(offered)) {
            settle_one(part, user, beside);
        }
        return;
    }
    if (made->made && settings().min_batch == 1) {
        made->one = proven(offered, 1, made->id + ONE, beside, never);
    }
    keep(made);
}

void store::keep(const std::shared_ptr<entry> & made) {
    for (size_t i = 0; i < made->weights.size(); i++) {
        auto old = places.find(made->weights[i]);
        if (old != places.end() && old->second.of->made) {    // of a model that was freed
            used -= old->second.of->bytes();
            const std::shared_ptr<entry> gone = old->second.of;
            for (const void * weight : gone->weights) {
                places.erase(weight);
            }
        }
        places[made->weights[i]] = { made, i };
    }
}

void store::leave(const void * user) {
    std::lock_guard<std::mutex> guard(lock);
    noted.clear();
    for (auto at = places.begin(); at != places.end();) {
        std::vector<const void *> & users = at->second.of->users;
        users.erase(std::remove(users.begin(), users.end(), user), users.end());
        if (!users.empty()) {
            ++at;
            continue;
        }
        if (at->second.of->made && at->second.output == 0) {
            const entry & gone = *at->second.of;
            used -= gone.bytes();
            trace_calls(gone.id, gone.made->spent);
            if (gone.one) {
                trace_calls(gone.id + ONE, gone.one->spent);
            }
        }
        at = places.erase(at);
    }
    if (places.empty()) {
        slower.clear();
        refused.clear();
        given = -1;
    }
}

void store::give_up(entry & failed, const char * why) {
    failed.off = true;
    GGML_LOG_INFO("nnrt: %s goes back to the CPU: %s\n", failed.id.c_str(), why);
    trace_off(failed.id, why);
}

}  // namespace ggml_nnrt
