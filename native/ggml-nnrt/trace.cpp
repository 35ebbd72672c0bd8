// SPDX-License-Identifier: Apache-2.0
#include "trace.h"

#include "config.h"
#include "ggml-impl.h"

#include <cinttypes>
#include <cstdio>

namespace ggml_nnrt {

// Names of tensors come from a file: what could end a string or a line is left out.
static std::string quoted(const std::string & text) {
    std::string made = "\"";
    for (const char c : text) {
        if (c >= ' ' && c != '"' && c != '\\' && c != 127) {
            made += c;
        }
    }
    return made + "\"";
}

static std::string pair(const char * name, int64_t value) { return std::string(", \"") + name + "\": " + std::to_string(value); }

// One write for a line: other threads print too.
static void print(const std::string & line) {
    if (settings().trace) {
        std::fputs((line + "\n").c_str(), stderr);
    }
}

void trace_unit(const unit_line & line) {
    if (!line.why.empty()) {
        GGML_LOG_INFO("nnrt: %s stays on the CPU: %s\n", line.id.c_str(), line.why.c_str());
    }
    char spent[96];
    std::snprintf(spent, sizeof spent, ", \"compile_ms\": %.2f", line.compile_us / 1000.0);
    print("nnrt-unit {\"id\": " + quoted(line.id) + ", \"ops\": " + quoted(line.ops) + pair("bytes", line.bytes) + spent +
          pair("nnrt_us", line.nnrt_us) + pair("cpu_us", line.cpu_us) + ", \"verdict\": " + quoted(line.verdict) + ", \"why\": " +
          quoted(line.why) + "}");
}

void trace_first(const std::string & id, int64_t rows) { print("nnrt-first {\"id\": " + quoted(id) + pair("rows", rows) + "}"); }

void trace_calls(const std::string & id, const unit::totals & spent) {
    print("nnrt-calls {\"id\": " + quoted(id) + pair("calls", spent.calls) + pair("rows", spent.rows) + pair("nnrt_us", spent.nnrt_us) +
          pair("own_us", spent.own_us) + "}");
}

void trace_off(const std::string & id, const char * why) {
    print("nnrt-off {\"id\": " + quoted(id) + ", \"why\": " + quoted(why) + "}");
}

void trace_product(const struct ggml_tensor * node, const char * by) {
    if (settings().trace) {
        print("nnrt-product {\"op\": " + quoted(ggml_op_name(node->op)) + ", \"type\": " + quoted(ggml_type_name(node->src[0]->type)) +
              pair("n", node->ne[1]) + pair("k", node->src[0]->ne[0]) + pair("m", node->ne[0]) + ", \"by\": " + quoted(by) + "}");
    }
}

}  // namespace ggml_nnrt
