// SPDX-License-Identifier: Apache-2.0
// A value that cannot be meant is told once and counts as not set: a server must not fail for it.
#include "config.h"

#include "ggml-impl.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace ggml_nnrt {

static const char * value(const char * name) {
    const char * found = std::getenv(name);
    return found && *found ? found : nullptr;
}

static void refuse(const char * name, const char * said, const char * wanted) {
    GGML_LOG_WARN("nnrt: %s=%s is not %s; it is ignored\n", name, said, wanted);
}

static bool flag(const char * name) {
    const char * said = value(name);
    if (!said || !std::strcmp(said, "0")) {
        return false;
    }
    if (std::strcmp(said, "1")) {
        refuse(name, said, "0 or 1");
        return false;
    }
    return true;
}

static int64_t number(const char * name, int64_t least, int64_t otherwise) {
    const char * said = value(name);
    if (!said) {
        return otherwise;
    }
    char * end = nullptr;
    errno = 0;
    const long long read = std::strtoll(said, &end, 10);
    if (errno || *end || read < least) {
        refuse(name, said, least ? "a number from 1 on" : "a number of bytes");
        return otherwise;
    }
    return read;
}

// Which of two words a variable says: false for the first and for none.
static bool second(const char * name, const char * first, const char * other) {
    const char * said = value(name);
    if (said && std::strcmp(said, first) && std::strcmp(said, other)) {
        refuse(name, said, (std::string(first) + " or " + other).c_str());
    }
    return said && !std::strcmp(said, other);
}

static config read() {
    config made;
    made.disabled     = flag("GGML_NNRT_DISABLE");
    made.device       = value("GGML_NNRT_DEVICE") ? value("GGML_NNRT_DEVICE") : "";
    made.budget       = number("GGML_NNRT_BUDGET", 0, -1);
    made.weights      = second("GGML_NNRT_PRECISION", "fp16", "fp32") ? precision::fp32 : precision::fp16;
    made.min_batch    = number("GGML_NNRT_MIN_BATCH", 1, made.min_batch);
    made.trace        = flag("GGML_NNRT_TRACE");
    made.keep_correct = second("GGML_NNRT_KEEP", "faster", "correct");
    made.cache        = value("GGML_NNRT_CACHE") ? value("GGML_NNRT_CACHE") : "";
    return made;
}

const config & settings() {
    static const config made = read();
    return made;
}

}  // namespace ggml_nnrt
