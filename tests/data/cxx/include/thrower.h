// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

struct Refusal : std::exception {
    std::string text;
    explicit Refusal(std::string said) : text(std::move(said)) {}
    const char *what() const noexcept override { return text.c_str(); }
};

extern thread_local int calls;
void refuse(const std::string &how);

// A header's own name in a binary, as an assertion has it.
inline const char *header() { return __FILE__; }
