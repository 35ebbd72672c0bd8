// SPDX-License-Identifier: Apache-2.0
// Elements of any type as numbers to compute with: float for the small floats, double, and int64 for the rest.
#ifndef NNRT_REFERENCE_NUMBERS_H
#define NNRT_REFERENCE_NUMBERS_H

#include "view.h"

#include <limits>
#include <type_traits>

namespace nnrt {

constexpr size_t CHUNK = 256;       // numbers at once: a kilobyte of floats

template <class From, class C> void CopyIn(const View &view, int64_t at, size_t count, C *into)
{
    const From *from = view.As<From>() + at;
    for (size_t i = 0; i < count; i++) {
        into[i] = static_cast<C>(from[i]);
    }
}

template <class C> void LoadNumbers(const View &view, int64_t at, size_t count, C *into)
{
    switch (view.type) {
        case OH_NN_BOOL:
        case OH_NN_UINT8: return CopyIn<uint8_t>(view, at, count, into);
        case OH_NN_INT8: return CopyIn<int8_t>(view, at, count, into);
        case OH_NN_INT16: return CopyIn<int16_t>(view, at, count, into);
        case OH_NN_INT32: return CopyIn<int32_t>(view, at, count, into);
        case OH_NN_INT64: return CopyIn<int64_t>(view, at, count, into);
        case OH_NN_UINT16: return CopyIn<uint16_t>(view, at, count, into);
        case OH_NN_UINT32: return CopyIn<uint32_t>(view, at, count, into);
        case OH_NN_UINT64: return CopyIn<uint64_t>(view, at, count, into);
        case OH_NN_FLOAT16: return CopyIn<Half>(view, at, count, into);
        case OH_NN_FLOAT32: return CopyIn<float>(view, at, count, into);
        case OH_NN_FLOAT64: return CopyIn<double>(view, at, count, into);
        default: return;
    }
}

template <class T> constexpr bool FLOATING = std::is_floating_point<T>::value || std::is_same<T, Half>::value;

// A number as an element. A float outside the range of an integer goes to its nearer end, and no number at all to 0.
template <class To, class C> To Element(C number)
{
    if constexpr (FLOATING<To> || !FLOATING<C>) {
        return static_cast<To>(number);
    } else {
        constexpr To LEAST = std::numeric_limits<To>::min(), MOST = std::numeric_limits<To>::max();
        if (!(number >= static_cast<C>(LEAST))) {
            return number < static_cast<C>(LEAST) ? LEAST : To(0);
        }
        return number >= static_cast<C>(MOST) ? MOST : static_cast<To>(number);
    }
}

template <class To, class C> void CopyOut(const C *from, const View &view, int64_t at, size_t count)
{
    To *into = view.As<To>() + at;
    for (size_t i = 0; i < count; i++) {
        into[i] = Element<To>(from[i]);
    }
}

template <class C> void StoreNumbers(const C *from, const View &view, int64_t at, size_t count)
{
    switch (view.type) {
        case OH_NN_BOOL:
            for (size_t i = 0; i < count; i++) {
                view.data[at + static_cast<int64_t>(i)] = from[i] != 0;
            }
            return;
        case OH_NN_UINT8: return CopyOut<uint8_t>(from, view, at, count);
        case OH_NN_INT8: return CopyOut<int8_t>(from, view, at, count);
        case OH_NN_INT16: return CopyOut<int16_t>(from, view, at, count);
        case OH_NN_INT32: return CopyOut<int32_t>(from, view, at, count);
        case OH_NN_INT64: return CopyOut<int64_t>(from, view, at, count);
        case OH_NN_UINT16: return CopyOut<uint16_t>(from, view, at, count);
        case OH_NN_UINT32: return CopyOut<uint32_t>(from, view, at, count);
        case OH_NN_UINT64: return CopyOut<uint64_t>(from, view, at, count);
        case OH_NN_FLOAT16: return CopyOut<Half>(from, view, at, count);
        case OH_NN_FLOAT32: return CopyOut<float>(from, view, at, count);
        case OH_NN_FLOAT64: return CopyOut<double>(from, view, at, count);
        default: return;
    }
}

// Calls f with a zero of the type that elements of `type` are computed in.
template <class F> void ByNumber(OH_NN_DataType type, const F &f)
{
    if (type == OH_NN_FLOAT64) {
        f(double(0));
    } else if (IsFloat(type)) {
        f(float(0));
    } else {
        f(int64_t(0));
    }
}

}
#endif
