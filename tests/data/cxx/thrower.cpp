// SPDX-License-Identifier: Apache-2.0
#include "thrower.h"

#include <stdexcept>

thread_local int calls = 0;

void refuse(const std::string &how) {
    calls++;
    if (how == "ours") throw Refusal(std::string(__FILE__) + " and " + header() + " refuse");
    if (how == "std") throw std::invalid_argument("invalid");
    throw 7;
}
