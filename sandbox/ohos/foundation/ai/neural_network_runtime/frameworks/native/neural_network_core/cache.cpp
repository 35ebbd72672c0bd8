// SPDX-License-Identifier: Apache-2.0
// Compiled models on disk: a description in JSON and one file of data, in a form of our own. As in the real library nothing
// says which model was kept: the version, the name and the folder have to.
#include "compilation.h"
#include "inner/sizes.h"

#include <stdio.h>
#include <stdlib.h>

namespace nnrt {
namespace {

constexpr char MAGIC[8] = {'K', 'N', 'N', 'R', 'T', '0', '1', '\n'};
constexpr size_t SAMPLED = 2u << 20;      // of the data, for the sum: that of the real library looks at no more either

class File {
public:
    File(const std::string &path, const char *mode) : file_(fopen(path.c_str(), mode)) {}
    ~File() { Close(); }
    bool Close()
    {
        const bool well = file_ != nullptr && fclose(file_) == 0;
        file_ = nullptr;
        return well;
    }
    explicit operator bool() const { return file_ != nullptr; }
    bool Put(const void *data, size_t size) { return file_ != nullptr && fwrite(data, 1, size, file_) == size; }
    bool Get(void *data, size_t size) { return file_ != nullptr && fread(data, 1, size, file_) == size; }
    template <class T> bool Put(T value) { return Put(&value, sizeof(value)); }
    template <class T> bool Get(T &value) { return Get(&value, sizeof(value)); }
    template <class T> bool PutAll(const std::vector<T> &all)
    {
        return Put(static_cast<uint32_t>(all.size())) && Put(all.data(), all.size() * sizeof(T));
    }
    template <class T> bool GetAll(std::vector<T> &all)
    {
        uint32_t count = 0;
        if (!Get(count) || count > left_ / sizeof(T)) {
            return false;
        }
        all.resize(count);
        return Get(all.data(), count * sizeof(T));
    }
    bool Put(const std::shared_ptr<Bytes> &data)
    {
        const uint64_t size = data == nullptr ? UINT64_MAX : data->size();
        return Put(size) && (data == nullptr || Put(data->data(), data->size()));
    }
    bool Get(std::shared_ptr<Bytes> &data)
    {
        uint64_t size = 0;
        if (!Get(size) || (size != UINT64_MAX && size > left_)) {
            return false;
        }
        if (size != UINT64_MAX) {
            data = std::make_shared<Bytes>(static_cast<size_t>(size));
            return data->size() == size && Get(data->data(), data->size());
        }
        return true;
    }
    // Nothing in the file may claim to be longer than the file.
    void Bound(uint64_t size) { left_ = size; }

private:
    FILE *file_;
    uint64_t left_ = 0;
};

// Size and sum of a file; false if it does not read.
bool Measure(const std::string &path, uint64_t &size, uint16_t &sum)
{
    File file(path, "rbe");
    FILE *plain = file ? fopen(path.c_str(), "rbe") : nullptr;
    if (plain == nullptr) {
        return false;
    }
    fseek(plain, 0, SEEK_END);
    size = static_cast<uint64_t>(ftell(plain));
    fclose(plain);
    std::vector<uint8_t> buffer(65536);
    sum = 0;
    for (uint64_t seen = 0; seen < size && seen < SAMPLED;) {
        const size_t next = static_cast<size_t>(size - seen < buffer.size() ? size - seen : buffer.size());
        if (!file.Get(buffer.data(), next)) {
            return false;
        }
        for (size_t i = 0; i < next; i++) {
            sum = static_cast<uint16_t>(sum + buffer[i]);
        }
        seen += next;
    }
    return true;
}

// The number after "name": in the description.
bool Said(const char *text, const char *name, uint64_t &value)
{
    const std::string key = std::string("\"") + name + "\":";
    const char *at = strstr(text, key.c_str());
    char *end = nullptr;
    if (at != nullptr) {
        value = strtoull(at + key.size(), &end, 10);
    }
    return at != nullptr && end != at + key.size();
}

bool Put(File &file, const Tensor &tensor)
{
    return file.Put(tensor.type) && file.Put(tensor.role) && file.PutAll(tensor.dims) && file.PutAll(tensor.quant.scales) &&
           file.PutAll(tensor.quant.zeroPoints) && file.PutAll(tensor.quant.numBits) && file.Put(tensor.data);
}

bool Get(File &file, Tensor &tensor)
{
    return file.Get(tensor.type) && file.Get(tensor.role) && file.GetAll(tensor.dims) && file.GetAll(tensor.quant.scales) &&
           file.GetAll(tensor.quant.zeroPoints) && file.GetAll(tensor.quant.numBits) && file.Get(tensor.data);
}

bool Put(File &file, const Node &node)
{
    bool well = file.Put(node.op) && file.PutAll(node.inputs) && file.PutAll(node.outputs) && file.Put(static_cast<uint32_t>(node.params.size()));
    for (const Param &param : node.params) {
        well = well && file.Put(param.kind) && file.Put(param.type) && file.Put(param.data);
    }
    return well;
}

bool Get(File &file, Node &node)
{
    uint32_t count = 0;
    if (!file.Get(node.op) || !file.GetAll(node.inputs) || !file.GetAll(node.outputs) || !file.Get(count) || count > MOST_OPERANDS) {
        return false;
    }
    node.params.resize(count);
    for (Param &param : node.params) {
        if (!file.Get(param.kind) || !file.Get(param.type) || !file.Get(param.data) || param.data == nullptr) {
            return false;
        }
    }
    return true;
}

// Do all indices name a tensor?
bool Sound(const Graph &graph)
{
    auto all = [&](const std::vector<uint32_t> &indices) {
        for (uint32_t index : indices) {
            if (index >= graph.tensors.size()) {
                return false;
            }
        }
        return true;
    };
    for (const Node &node : graph.nodes) {
        if (!all(node.inputs) || !all(node.outputs)) {
            return false;
        }
    }
    return all(graph.inputs) && all(graph.outputs);
}

}

Found LookAtCache(const CachePlace &place)
{
    File file(place.info, "re");
    if (!file) {
        return Found::NONE;
    }
    char text[512] = "";
    file.Get(text, sizeof(text) - 1);
    uint64_t version = 0, device = 0, size = 0, sum = 0, realSize = 0;
    uint16_t realSum = 0;
    if (!Said(text, "version", version) || !Said(text, "deviceId", device) || !Said(text, "size", size) || !Said(text, "sum", sum) ||
        !Measure(place.data, realSize, realSum) || realSize != size || realSum != sum) {
        return Found::CORRUPT;
    }
    if (version == place.version) {
        return device == place.device ? Found::SAME : Found::OLDER;
    }
    return version > place.version ? Found::NEWER : Found::OLDER;
}

std::shared_ptr<Graph> LoadCache(const CachePlace &place)
{
    uint64_t size = 0;
    uint16_t sum = 0;
    File file(place.data, "rbe");
    if (!Measure(place.data, size, sum)) {
        return nullptr;
    }
    file.Bound(size);
    char magic[sizeof(MAGIC)];
    uint32_t tensors = 0, nodes = 0;
    auto graph = std::make_shared<Graph>();
    if (!file.Get(magic, sizeof(magic)) || memcmp(magic, MAGIC, sizeof(magic)) != 0 || !file.Get(tensors) || !file.Get(nodes) ||
        tensors > size || nodes > size) {
        return nullptr;
    }
    graph->tensors.resize(tensors);
    graph->nodes.resize(nodes);
    for (Tensor &tensor : graph->tensors) {
        if (!Get(file, tensor)) {
            return nullptr;
        }
    }
    for (Node &node : graph->nodes) {
        if (!Get(file, node)) {
            return nullptr;
        }
    }
    return file.GetAll(graph->inputs) && file.GetAll(graph->outputs) && Sound(*graph) ? graph : nullptr;
}

bool SaveCache(const CachePlace &place, const Graph &graph)
{
    File file(place.data, "wbe");
    bool well = file.Put(MAGIC, sizeof(MAGIC)) && file.Put(static_cast<uint32_t>(graph.tensors.size())) &&
                file.Put(static_cast<uint32_t>(graph.nodes.size()));
    for (const Tensor &tensor : graph.tensors) {
        well = well && Put(file, tensor);
    }
    for (const Node &node : graph.nodes) {
        well = well && Put(file, node);
    }
    well = well && file.PutAll(graph.inputs) && file.PutAll(graph.outputs);
    well = file.Close() && well;
    uint64_t size = 0;
    uint16_t sum = 0;
    FILE *info = well && Measure(place.data, size, sum) ? fopen(place.info.c_str(), "we") : nullptr;
    if (info == nullptr) {
        return false;
    }
    fprintf(info, "{\"version\":%llu, \"deviceId\":%llu, \"fileNumber\":1, \"size\":%llu, \"sum\":%u}\n",
            static_cast<unsigned long long>(place.version), static_cast<unsigned long long>(place.device),
            static_cast<unsigned long long>(size), sum);
    return fclose(info) == 0;
}

}
