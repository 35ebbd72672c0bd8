// SPDX-License-Identifier: Apache-2.0
// A compilation: what was asked for, and what Build made of it.
#ifndef NNRT_CORE_COMPILATION_H
#define NNRT_CORE_COMPILATION_H

#include "inner/handles.h"

struct OH_NNCompilation {
    const OH_NNModel *model = nullptr;       // the caller's, until Build
    bool fromCache = false;                  // ConstructForCache
    bool offline = false;                    // of a file or a buffer of a vendor's own form
    bool imported = false;
    size_t device = 0;
    nnrt::Options options;
    const char *cachePath = nullptr;         // the caller's, until Build
    uint32_t cacheVersion = 0;
    std::map<std::string, std::string> config;
    bool tried = false;
    std::shared_ptr<nnrt::Prepared> prepared;
};

namespace nnrt {

// Where a compiled model is kept: <path>/<ModelName>cache_info.nncache and <ModelName>0.nncache.
struct CachePlace {
    std::string info, data;
    uint32_t version;
    size_t device;
};

enum class Found { NONE, SAME, OLDER, NEWER, CORRUPT };

Found LookAtCache(const CachePlace &place);
// The graph that was kept; null if it does not read.
std::shared_ptr<Graph> LoadCache(const CachePlace &place);
bool SaveCache(const CachePlace &place, const Graph &graph);

}
#endif
