// SPDX-License-Identifier: Apache-2.0
// Prints "right" if exceptions of the library are caught here by their types, in a thread as well, and each thread counts its own calls.
#include "thrower.h"

#include <cstdio>
#include <filesystem>
#include <regex>
#include <stdexcept>
#include <thread>

static int caught(const char *how) {
    try {
        refuse(how);
    } catch (const Refusal &error) {
        return std::string(error.what()).find("thrower.h refuse") != std::string::npos ? 1 : 0;
    } catch (const std::invalid_argument &error) {
        return std::string(error.what()) == "invalid" ? 2 : 0;
    } catch (int number) {
        return number == 7 ? 4 : 0;
    }
    return 0;
}

int main() {
    int right = caught("ours") + caught("std"), there = 0;
    std::thread([&] { right += caught("int"); there = calls; }).join();
    bool library = std::regex_match("kiln", std::regex("k.l[n]")) && std::filesystem::path("/a/b").filename() == "b";
    bool all = right == 7 && calls == 2 && there == 1 && library;
    std::puts(all ? "right" : "wrong");
    return all ? 0 : 1;
}
