// SPDX-License-Identifier: Apache-2.0
// A flatbuffer read as hostile: every offset is checked against the buffer when it is followed, and nothing is read outside it.
// The layout is flatbuffers' own: little-endian; a table begins with the way back to its vtable (sizes, then an offset a field);
// vectors and strings are reached by a forward offset and begin with their length. The buffer needs no alignment.
#ifndef KILN_FLAT_H
#define KILN_FLAT_H

#include <stdint.h>
#include <string.h>

struct Table {
    uint64_t at, vtable;
    uint16_t vtable_size, size;
};

struct Vector {
    uint64_t at;
    uint32_t count;
};

struct Flat {
    const uint8_t *data;
    uint64_t size;
    bool good;    // false once anything pointed outside

    template <typename T> T get(uint64_t at)
    {
        T value{};
        if (at > size || size - at < sizeof(T)) {
            good = false;
            return value;
        }
        memcpy(&value, data + at, sizeof(T));
        return value;
    }

    uint64_t follow(uint64_t at)
    {
        const uint32_t offset = get<uint32_t>(at);
        if (offset == 0 || at + offset >= size) {
            good = false;
            return 0;
        }
        return at + offset;
    }

    // A table without fields where the bytes are no table, so that a caller need look at `good` only at the end.
    Table table(uint64_t at)
    {
        const int64_t vtable = static_cast<int64_t>(at) - get<int32_t>(at);
        if (!good || vtable < 0) {
            good = false;
            return Table{0, 0, 0, 0};
        }
        Table made{at, static_cast<uint64_t>(vtable), get<uint16_t>(vtable), get<uint16_t>(vtable + 2)};
        good = good && made.vtable_size >= 4 && made.vtable_size % 2 == 0 && made.size >= 4 && made.at + made.size <= size &&
               made.vtable + made.vtable_size <= size;
        return good ? made : Table{0, 0, 0, 0};
    }

    // Where field `id`, `width` bytes wide, stands; 0 if it is absent.
    uint64_t field(const Table &table, unsigned id, unsigned width)
    {
        const uint64_t entry = 4 + 2 * id;
        if (!good || entry + 2 > table.vtable_size) {
            return 0;
        }
        const uint16_t offset = get<uint16_t>(table.vtable + entry);
        if (offset != 0 && (offset < 4 || offset + width > table.size)) {
            good = false;
        }
        return good && offset != 0 ? table.at + offset : 0;
    }

    template <typename T> T scalar(const Table &table, unsigned id, T otherwise)
    {
        const uint64_t at = field(table, id, sizeof(T));
        return at != 0 ? get<T>(at) : otherwise;
    }

    // The table that field `id` leads to; `there` says whether the field is present.
    Table inner(const Table &outer, unsigned id, bool *there)
    {
        const uint64_t at = field(outer, id, 4);
        *there = at != 0;
        return at != 0 ? table(follow(at)) : Table{0, 0, 0, 0};
    }

    // Elements of `width` bytes; an absent vector is an empty one.
    Vector vector(const Table &table, unsigned id, unsigned width)
    {
        const uint64_t at = field(table, id, 4), start = at != 0 ? follow(at) : 0;
        if (start == 0) {
            return Vector{0, 0};
        }
        const uint32_t count = get<uint32_t>(start);
        if (!good || static_cast<uint64_t>(count) * width > size - start - 4) {
            good = false;
            return Vector{0, 0};
        }
        return Vector{start + 4, count};
    }
};

#endif
