// SPDX-License-Identifier: Apache-2.0
// KILN_NNRT_DEVICES: `;` between devices, `,` between the words of one. A word that is not known is told on stderr and ignored.
#include "neural_network_runtime/operations.h"
#include "reference.h"

#include <stdio.h>
#include <stdlib.h>

namespace nnrt {
namespace {

std::vector<std::string> Split(const std::string &text, char mark)
{
    std::vector<std::string> parts;
    size_t from = 0;
    for (size_t at = 0; at <= text.size(); at++) {
        if (at == text.size() || text[at] == mark) {
            parts.push_back(text.substr(from, at - from));
            from = at + 1;
        }
    }
    return parts;
}

bool Refuse(Traits &traits, const std::string &names)
{
    for (const std::string &name : Split(names, '+')) {
        bool found = false;
        for (uint32_t op = OH_NN_OPS_ADD; op <= OH_NN_OPS_GATHER_ND; op++) {
            if (name == "all" || name == RuleOf(static_cast<OH_NN_OperationType>(op), LAST_LEVEL)->name) {
                traits.refused.set(op);
                found = true;
            }
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

bool Number(const std::string &text, uint64_t &number)
{
    char *end = nullptr;
    number = strtoull(text.c_str(), &end, 10);
    return end != text.c_str();
}

bool Option(Traits &traits, const std::string &name, const std::string &value)
{
    if (name == "refuse") {
        return Refuse(traits, value);
    }
    if (name == "name" && !value.empty()) {
        traits.name = value;
        return true;
    }
    if (name == "latency") {
        return Number(value, traits.latency);
    }
    if (name == "max") {
        return Number(value, traits.most);
    }
    if (name == "die-run") {
        return Number(value, traits.dieRun);
    }
    if (name == "fail-run") {
        traits.failOn = !value.empty() && value.back() == '+';
        return Number(value, traits.failRun);
    }
    return false;
}

bool Word(Traits &traits, const std::string &word)
{
    constexpr struct { const char *word; OH_NN_DeviceType type; } TYPES[] = {
        {"cpu", OH_NN_CPU}, {"gpu", OH_NN_GPU}, {"accelerator", OH_NN_ACCELERATOR}, {"others", OH_NN_OTHERS}};
    for (const auto &row : TYPES) {
        if (word == row.word) {
            traits.type = row.type;
            return true;
        }
    }
    const struct { const char *word; bool Traits::*field; bool value; } SWITCHES[] = {
        {"fp16", &Traits::float16, true}, {"fp32", &Traits::float16, false}, {"fp16-only", &Traits::onlyFloat16, true},
        {"fp16-sums", &Traits::narrow, true}, {"static", &Traits::dynamic, false}, {"no-range", &Traits::range, false},
        {"no-cache", &Traits::cache, false}, {"no-performance", &Traits::performance, false}, {"no-priority", &Traits::priority, false}};
    for (const auto &row : SWITCHES) {
        if (word == row.word) {
            traits.*row.field = row.value;
            return true;
        }
    }
    const size_t mark = word.find('=');
    return mark != std::string::npos && Option(traits, word.substr(0, mark), word.substr(mark + 1));
}

const char *TypeName(OH_NN_DeviceType type)
{
    constexpr const char *NAMES[] = {"others", "cpu", "gpu", "accelerator"};
    return NAMES[type];
}

}

std::vector<Traits> Wanted()
{
    const char *said = getenv("KILN_NNRT_DEVICES");
    const std::string text = said == nullptr || *said == '\0' ? "cpu" : said;
    std::vector<Traits> all;
    if (text == "none") {
        return all;
    }
    for (const std::string &device : Split(text, ';')) {
        Traits traits;
        for (const std::string &word : Split(device, ',')) {
            if (!word.empty() && !Word(traits, word)) {
                fprintf(stderr, "reference NNRt: KILN_NNRT_DEVICES: %s is not known\n", word.c_str());
            }
        }
        if (traits.name.empty()) {
            traits.name = std::string("kiln-reference-") + TypeName(traits.type) + (all.empty() ? "" : std::to_string(all.size() + 1)) + "_sandbox_v2_1";
        }
        all.push_back(traits);
    }
    return all;
}

}
