// SPDX-License-Identifier: Apache-2.0
// Counts the calls of the API, makes the one fail that the environment names, and writes a report at the end.
#include "inner/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

namespace nnrt {
namespace {

std::atomic<uint64_t> g_calls{0}, g_runs{0}, g_runTime{0}, g_wholeTime{0}, g_compiled{0}, g_compileTime{0}, g_bytes{0};
std::atomic<const char *> g_failed{nullptr};
std::atomic<Site *> g_sites{nullptr};

uint64_t Number(const char *name, uint64_t otherwise, char **end = nullptr)
{
    const char *text = getenv(name);
    return text == nullptr || *text == '\0' ? otherwise : strtoull(text, end, 10);
}

Settings Read()
{
    Settings read{};
    read.strict = Number("KILN_NNRT_STRICT", 0) != 0;
    read.level = static_cast<int>(Number("KILN_NNRT_API", NNRT_API_LEVEL));
    read.code = OH_NN_FAILED;
    char *end = nullptr;
    read.failFrom = Number("KILN_NNRT_FAIL_CALL", 0, &end);
    if (end != nullptr && *end == '+') {
        read.failOn = true;
        end++;
    }
    if (end != nullptr && *end == ':') {
        read.code = static_cast<OH_NN_ReturnCode>(strtoul(end + 1, nullptr, 10));
    }
    return read;
}

// A line for each number, so that a shell can read it too.
__attribute__((destructor)) void Report()
{
    const char *path = getenv("KILN_NNRT_REPORT");
    FILE *file = path == nullptr || *path == '\0' ? nullptr : fopen(path, "we");
    if (file == nullptr) {
        return;
    }
    const char *failed = g_failed.load();
    fprintf(file, "{\n \"calls\": %llu,\n \"failed\": \"%s\",\n", static_cast<unsigned long long>(g_calls), failed == nullptr ? "" : failed);
    fprintf(file, " \"compiled\": %llu,\n \"compiled_bytes\": %llu,\n \"compile_us\": %llu,\n",
            static_cast<unsigned long long>(g_compiled), static_cast<unsigned long long>(g_bytes),
            static_cast<unsigned long long>(g_compileTime / 1000));
    fprintf(file, " \"runs\": %llu,\n \"run_us\": %llu,\n \"run_call_us\": %llu,\n \"functions\": {",
            static_cast<unsigned long long>(g_runs), static_cast<unsigned long long>(g_runTime / 1000),
            static_cast<unsigned long long>(g_wholeTime / 1000));
    const char *comma = "";
    for (Site *site = g_sites; site != nullptr; site = site->next) {
        fprintf(file, "%s\n  \"%s\": %llu", comma, site->name, static_cast<unsigned long long>(site->calls));
        comma = ",";
    }
    fprintf(file, "\n }\n}\n");
    fclose(file);
}

}

const Settings &TheSettings()
{
    static const Settings settings = Read();
    return settings;
}

bool Fails(Site &site)
{
    if (site.calls.fetch_add(1) == 0) {
        site.next = g_sites.load();
        while (!g_sites.compare_exchange_weak(site.next, &site)) {
        }
    }
    const uint64_t call = g_calls.fetch_add(1) + 1;
    const Settings &settings = TheSettings();
    if (settings.failFrom == 0 || call < settings.failFrom || (call > settings.failFrom && !settings.failOn)) {
        return false;
    }
    const char *nobody = nullptr;
    g_failed.compare_exchange_strong(nobody, site.name);
    return true;
}

uint64_t Now()
{
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

void CountRun(uint64_t device)
{
    g_runs++;
    g_runTime += device;
}

void CountCall(uint64_t whole)
{
    g_wholeTime += whole;
}

void CountCompile(uint64_t device, uint64_t bytes)
{
    g_compiled++;
    g_compileTime += device;
    g_bytes += bytes;
}

}
