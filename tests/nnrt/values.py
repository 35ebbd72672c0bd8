# SPDX-License-Identifier: Apache-2.0
"""One case or more for each operation that the reference device computes: operands, parameters, and what numpy makes of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from nnrt_api import TYPES

I32, I64, F16, F32 = np.int32, np.int64, np.float16, np.float32
Array = np.ndarray
_RNG = np.random.default_rng(11)


def normal(*shape: int) -> Array:
    return _RNG.standard_normal(shape)


def positive(*shape: int) -> Array:
    return np.abs(normal(*shape)) + 0.1


@dataclass(frozen=True)
class Case:
    """`operands` that are float64 take the type under test; those named in `constants` are constants. `right` gets them in float64
    (after rounding to that type) and gives the outputs, in float64 where they have the type under test."""

    op: str
    operands: Sequence[Array]
    right: Callable[..., Any]
    params: dict[str, Array] = field(default_factory=dict)
    constants: tuple[int, ...] = ()
    quant: dict[int, tuple[Sequence[float], Sequence[int]]] = field(default_factory=dict)   # by operand; -1 is the output
    types: tuple[type, ...] = (F32, F16)


def i64(*values: int) -> Array:
    return np.array(values, I64)


def one(value: int) -> Array:
    return np.array(value, I64)


def yes() -> Array:
    return np.array(True)


def f32(value: float) -> Array:
    return np.array(value, F32)


def act(number: int) -> Array:
    return np.array(number, np.int8)


def softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


erf = np.vectorize(math.erf, otypes=[float])
X = normal(3, 5, 67) * 3
UNARY: dict[str, tuple[Array, Callable[[Array], Array]]] = {
    "ABS": (X, np.abs), "CEIL": (X, np.ceil), "COS": (X, np.cos), "ERF": (X, erf), "EXP": (X, np.exp), "FLOOR": (X, np.floor),
    "GELU": (X, lambda x: 0.5 * x * (1 + erf(x / 2 ** 0.5))), "HARD_SIGMOID": (X, lambda x: relu6(x + 3) / 6),
    "HSWISH": (X, lambda x: x * relu6(x + 3) / 6), "LOG": (positive(4, 9), np.log), "NEG": (X, np.negative),
    "RECIPROCAL": (positive(300), np.reciprocal), "RELU": (X, lambda x: np.maximum(x, 0)), "RELU6": (X * 3, relu6),
    "ROUND": (np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.3, -7.8]), np.round), "RSQRT": (positive(300), lambda x: x ** -0.5),
    "SIGMOID": (X, lambda x: 1 / (1 + np.exp(-x))), "SIN": (X, np.sin), "SQRT": (positive(300), np.sqrt), "SQUARE": (X, np.square),
    "SWISH": (X, lambda x: x / (1 + np.exp(-x))), "TANH": (X, np.tanh),
}
A, B = normal(4, 1, 300), normal(7, 1)
BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "ADD": np.add, "SUB": np.subtract, "MUL": np.multiply, "MAXIMUM": np.maximum, "MINIMUM": np.minimum, "MOD": np.mod,
    "SQUARED_DIFFERENCE": lambda a, b: (a - b) ** 2, "EQUAL": np.equal, "NOT_EQUAL": np.not_equal, "LESS": np.less,
    "LESS_EQUAL": np.less_equal, "GREATER": np.greater, "GREATER_EQUAL": np.greater_equal,
}
T = np.array([[True, False, True, False]]), np.array([[True], [False]])
L = np.array([[-7, 2, 9], [5, -3, 0]], I32)


def cases() -> list[Case]:
    made = [Case(op, [x], right) for op, (x, right) in UNARY.items()]
    made += [Case(op, [A, B], right) for op, right in BINARY.items()]
    made += [Case(op, [normal(2, 3), normal(2, 3)], right) for op, right in BINARY.items() if op in ("ADD", "LESS")]
    made += [Case(op, [L, np.array([2, -4, 3], I32)], right, types=(F32,)) for op, right in BINARY.items()]
    return made + parametrized() + products() + shapes() + reductions() + picks() + windows()


def parametrized() -> list[Case]:
    return [
        Case("ABS", [L], np.abs, types=(F32,)), Case("NEG", [L], np.negative, types=(F32,)), Case("SQUARE", [L], np.square, types=(F32,)),
        Case("DIV", [A, positive(300)], np.divide), Case("DIV", [L, np.array([2, 4, 5], I32)], lambda a, b: np.trunc(a / b).astype(I32), types=(F32,)),
        Case("ADD", [A, B], lambda a, b: np.maximum(a + b, 0), {"ADD_ACTIVATIONTYPE": act(1)}),
        Case("SUB", [A, B], lambda a, b: np.maximum(a - b, 0), {"SUB_ACTIVATIONTYPE": act(1)}),
        Case("MUL", [A * 9, B], lambda a, b: relu6(a * b), {"MUL_ACTIVATION_TYPE": act(2)}),
        Case("DIV", [A, positive(300)], lambda a, b: np.maximum(a / b, 0), {"DIV_ACTIVATIONTYPE": act(1)}),
        Case("ELTWISE", [A, B], np.multiply), Case("ELTWISE", [A, B], np.add, {"ELTWISE_MODE": act(1)}),
        Case("ELTWISE", [A, B], np.maximum, {"ELTWISE_MODE": act(2)}),
        Case("BIAS_ADD", [normal(2, 3, 5), normal(5)], np.add),
        Case("PRELU", [normal(2, 3, 5), normal(5)], lambda x, s: np.where(x < 0, x * s, x)),
        Case("POW", [positive(40), normal(40)], np.power),
        Case("POW", [positive(40), f_(2)], lambda x, y: (3 * x + 1) ** y, {"POW_SCALE": f32(3), "POW_SHIFT": f32(1)}),
        Case("LOGICAL_AND", T, np.logical_and, types=(F32,)), Case("LOGICAL_OR", T, np.logical_or, types=(F32,)),
        Case("LOGICAL_NOT", [T[0]], np.logical_not, types=(F32,)),
        Case("EXP", [X / 3], lambda x: 2 ** (0.5 + 1.5 * x), {"EXP_BASE": f32(2), "EXP_SCALE": f32(1.5), "EXP_SHIFT": f32(0.5)}),
        Case("GELU", [X], lambda x: 0.5 * x * (1 + np.tanh((2 / math.pi) ** 0.5 * (x + 0.044715 * x ** 3))), {"GELU_APPROXIMATE": yes()}),
        Case("LEAKY_RELU", [X], lambda x: np.where(x < 0, 0.125 * x, x), {"LEAKY_RELU_NEGATIVE_SLOPE": f32(0.125)}),
        Case("CLIP", [X], lambda x: np.clip(x, -1, 2), {"CLIP_MIN": f32(-1), "CLIP_MAX": f32(2)}),
        Case("SOFTMAX", [X], lambda x: softmax(x, -1)), Case("SOFTMAX", [X], lambda x: softmax(x, 1), {"SOFTMAX_AXIS": one(1)}),
        Case("LOG_SOFTMAX", [X], lambda x: np.log(softmax(x, 2)), {"LOG_SOFTMAX_AXIS": one(-1)}),
        Case("LAYER_NORM", [normal(2, 3, 8), positive(8), normal(8)], lambda x, g, b: norm(x, 1e-5) * g + b,
             {"LAYER_NORM_BEGIN_NORM_AXIS": one(2), "LAYER_NORM_EPSILON": f32(1e-5)}, (1, 2)),
        Case("L2_NORMALIZE", [normal(4, 9)], lambda x: x / np.sqrt((x ** 2).sum(-1, keepdims=True)), {"L2_NORMALIZE_AXIS": i64(1)}),
        Case("BATCH_NORM", [normal(2, 4, 4, 3), positive(3), normal(3), normal(3), positive(3)],
             lambda x, s, o, m, v: (x - m) / np.sqrt(v + 0.0001) * s + o),
        Case("SCALE", [normal(2, 3, 5), normal(3), normal(3)], lambda x, s, b: x * s[:, None] + b[:, None], {"SCALE_AXIS": one(1)}),
        Case("INSTANCE_NORM", [normal(2, 4, 4, 3), positive(3), normal(3)],
             lambda x, g, b: (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-3) * g + b,
             {"INSTANCE_NORM_EPSILON": f32(1e-3)}),
        Case("QUANT_DTYPE_CAST", [Q8], lambda q: (q - 3) * 0.05, {"QUANT_DTYPE_CAST_SRC_T": one(2), "QUANT_DTYPE_CAST_DST_T": one(11)},
             quant={0: ([0.05], [3])}, types=(F32,)),
        Case("QUANT_DTYPE_CAST", [Q8], lambda q: q * np.array([[0.1], [0.2], [0.3], [0.4]]),
             {"QUANT_DTYPE_CAST_SRC_T": one(2), "QUANT_DTYPE_CAST_DST_T": one(11), "QUANT_DTYPE_CAST_AXIS": one(0)}, (0,),
             quant={0: ([0.1, 0.2, 0.3, 0.4], [0] * 4)}, types=(F32,)),
        Case("QUANT_DTYPE_CAST", [normal(4, 6)], lambda x: np.clip(np.round(x / 0.0625) - 2, -128, 127).astype(np.int8),
             {"QUANT_DTYPE_CAST_SRC_T": one(11), "QUANT_DTYPE_CAST_DST_T": one(2)}, quant={-1: ([0.0625], [-2])}, types=(F32,)),
    ]


Q8 = _RNG.integers(-128, 128, (4, 6)).astype(np.int8)


def f_(value: float) -> Array:
    return np.array([value], np.float64)


def norm(x: Array, eps: float) -> Array:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)


def products() -> list[Case]:
    both = {"MATMUL_TRANSPOSE_A": yes(), "MATMUL_TRANSPOSE_B": yes()}
    full = {"FULL_CONNECTION_HAS_BIAS": yes()}
    return [
        Case("MATMUL", [normal(5, 33), normal(33, 19)], np.matmul), Case("MATMUL", [normal(5, 33), normal(33, 19)], np.matmul, {}, (1,)),
        Case("MATMUL", [normal(1, 600), normal(50, 600)], lambda a, b: a @ b.T, {"MATMUL_TRANSPOSE_B": yes()}, (1,)),
        Case("MATMUL", [normal(33, 5), normal(19, 33)], lambda a, b: a.T @ b.T, both, (1,)),
        Case("MATMUL", [normal(33, 5), normal(19, 33)], lambda a, b: a.T @ b.T, both),
        Case("MATMUL", [normal(2, 3, 4, 7), normal(3, 7, 5)], np.matmul),
        Case("MATMUL", [normal(2, 3, 4, 7), normal(2, 1, 5, 7)], lambda a, b: a @ b.swapaxes(2, 3), {"MATMUL_TRANSPOSE_B": yes()}),
        Case("MATMUL", [normal(2, 3, 4, 7), normal(7, 20)], np.matmul, {}, (1,)),
        Case("MATMUL", [normal(5, 33), normal(33, 19)], lambda a, b: np.maximum(a @ b, 0), {"MATMUL_ACTIVATION_TYPE": act(1)}),
        Case("FULL_CONNECTION", [normal(4, 21), normal(9, 21)], lambda x, w: x @ w.T, {}, (1,)),
        Case("FULL_CONNECTION", [normal(4, 21), normal(9, 21), normal(9)], lambda x, w, b: np.maximum(x @ w.T + b, 0),
             {**full, "FULL_CONNECTION_ACTIVATIONTYPE": act(1)}, (1, 2)),
        Case("FULL_CONNECTION", [normal(2, 3, 21), normal(9, 21), normal(9)], lambda x, w, b: x.reshape(6, 21) @ w.T + b, full),
        Case("FULL_CONNECTION", [normal(2, 3, 7), normal(9, 21), normal(9)], lambda x, w, b: x.reshape(2, 21) @ w.T + b,
             {**full, "FULL_CONNECTION_USE_AXIS": yes(), "FULL_CONNECTION_AXIS": one(1)}, (1, 2)),
    ]


def shapes() -> list[Case]:
    x = normal(2, 3, 4)
    return [
        Case("RESHAPE", [x, np.array([4, -1], I32)], lambda x, s: x.reshape(4, 6), {}, (1,)),
        Case("RESHAPE", [x, np.array([0, 12], I64)], lambda x, s: x.reshape(2, 12), {}, (1,)),
        Case("SQUEEZE", [normal(1, 3, 1, 2)], lambda x: x.reshape(3, 2)),
        Case("SQUEEZE", [normal(1, 3, 1, 2)], lambda x: x.reshape(1, 3, 2), {"SQUEEZE_AXIS": i64(2)}),
        Case("UNSQUEEZE", [x], lambda x: x[:, None], {"UNSQUEEZE_AXIS": one(1)}),
        Case("EXPAND_DIMS", [x, np.array([-1], I32)], lambda x, a: x[..., None], {}, (1,)),
        Case("FLATTEN", [x], lambda x: x.reshape(2, 12)), Case("FLATTEN", [x], lambda x: x.reshape(6, 4), {"FLATTEN_AXIS": one(2)}),
        Case("TRANSPOSE", [x, np.array([2, 0, 1], I32)], lambda x, p: x.transpose(2, 0, 1), {}, (1,)),
        Case("CONCAT", [x, normal(2, 1, 4), x], lambda *a: np.concatenate(a, 1), {"CONCAT_AXIS": one(1)}),
        Case("STACK", [x, x + 1], lambda *a: np.stack(a, 3), {"STACK_AXIS": one(-1)}),
        Case("SPLIT", [x], lambda x: np.split(x, 2, 2), {"SPLIT_AXIS": one(2), "SPLIT_OUTPUT_NUM": one(2)}),
        Case("SPLIT", [x], lambda x: np.split(x, [1], 1), {"SPLIT_AXIS": one(1), "SPLIT_OUTPUT_NUM": one(2), "SPLIT_SIZE_SPLITS": i64(1, -1)}),
        Case("UNSTACK", [x], lambda x: [x[:, i] for i in range(3)], {"UNSTACK_AXIS": one(1)}),
        Case("SLICE", [x, np.array([0, 1, 2], I32), np.array([2, 2, -1], I32)], lambda x, b, s: x[:, 1:3, 2:], {}, (1, 2)),
        Case("SLICE", [x, np.array([1], I32), np.array([2], I32)], lambda x, b, s: x[:, :, 1:3], {"SLICE_AXES": i64(-1)}, (1, 2)),
        Case("STRIDED_SLICE", strided([0, 2, 0], [2, 0, 4], [1, -1, 2]), lambda x, *_: x[:, 2:0:-1, 0:4:2], {}, (1, 2, 3)),
        Case("STRIDED_SLICE", strided([1, 9, 1], [0, 9, 9], [1, 1, 1]), lambda x, *_: x[1, :, 1:],
             {"STRIDED_SLICE_SHRINK_AXIS_MASK": one(1), "STRIDED_SLICE_BEGIN_MASK": one(2), "STRIDED_SLICE_END_MASK": one(2)}, (1, 2, 3)),
        Case("STRIDED_SLICE", strided([0, 0, -1], [0, 0, 0], [1, 1, 1]), lambda x, *_: x[..., None, -1],
             {"STRIDED_SLICE_ELLIPSIS_MASK": one(1), "STRIDED_SLICE_NEW_AXIS_MASK": one(2), "STRIDED_SLICE_SHRINK_AXIS_MASK": one(4)}, (1, 2, 3)),
        Case("TILE", [x, np.array([2, 1, 3], I32)], lambda x, m: np.tile(x, (2, 1, 3)), {}, (1,)),
        Case("BROADCAST_TO", [normal(3, 1)], lambda x: np.broadcast_to(x, (2, 3, 5)), {"BROADCAST_TO_SHAPE": i64(2, -1, 5)}),
        Case("PAD", [x, np.array([[0, 0], [1, 2], [3, 0]], I32)], lambda x, p: np.pad(x, [(0, 0), (1, 2), (3, 0)], constant_values=1.5),
             {"PAD_CONSTANT_VALUE": f32(1.5)}, (1,)),
        Case("PAD", [x, np.array([[0, 0], [1, 2], [3, 0]], I32)], lambda x, p: np.pad(x, [(0, 0), (1, 2), (3, 0)], "reflect"),
             {"PAD_PADDING_MODE": np.array(1, I32)}, (1,)),
        Case("PAD", [x, np.array([[1, 0], [1, 2], [3, 4]], I32)], lambda x, p: np.pad(x, [(1, 0), (1, 2), (3, 4)], "symmetric"),
             {"PAD_PADDING_MODE": np.array(2, I32)}, (1,)),
        Case("CAST", [x * 9, np.array([TYPES[np.dtype(I32)]], I32)], lambda x, t: np.trunc(x).astype(I32), {}, (1,)),
        Case("CAST", [L, np.array([TYPES[np.dtype(F32)]], I32)], lambda x, t: x.astype(F32), {}, (1,), types=(F32,)),
        Case("SHAPE", [x], lambda x: np.array([2, 3, 4], I32)), Case("RANK", [x], lambda x: np.array([3], I32)),
        Case("RANGE", [x], lambda x: np.arange(2, 11, 3, I32), {"RANGE_START": one(2), "RANGE_LIMIT": one(11), "RANGE_DELTA": one(3)}),
        Case("FILL", [f_(2.5), np.array([2, 3], I32)], lambda v, s: np.full((2, 3), v[0]), {}, (1,)),
        Case("CONSTANT_OF_SHAPE", [np.array([2, 3], I32)], lambda s: np.full((2, 3), 1.5, F32),
             {"CONSTANT_OF_SHAPE_DATA_TYPE": one(11), "CONSTANT_OF_SHAPE_VALUE": np.array([1.5], F32)}, (0,), types=(F32,)),
    ]


def strided(begin: list[int], end: list[int], step: list[int]) -> list[Array]:
    return [normal(2, 3, 4), *(np.array(values, I32) for values in (begin, end, step))]


def reductions() -> list[Case]:
    x, made = normal(3, 4, 500), []
    for op, right in {"MEAN": np.mean, "SUM": np.sum, "MAX": np.max, "MIN": np.min, "PROD": np.prod,
                      "L2": lambda x, axis, keepdims: np.sqrt((x ** 2).sum(axis, keepdims=keepdims))}.items():
        data = x if op != "PROD" else 1 + x[:, :, :7] / 9
        keep = {f"REDUCE_{op}_KEEP_DIMS": yes(), f"REDUCE_{op}_COEFF": f32(1)}
        made.append(Case(f"REDUCE_{op}", [data, np.array([-1], I32)], lambda x, a, f=right: f(x, axis=2, keepdims=True), keep, (1,)))
        made.append(Case(f"REDUCE_{op}", [data, np.array([0, 1], I32)], lambda x, a, f=right: f(x, axis=(0, 1), keepdims=False),
                         {f"REDUCE_{op}_COEFF": f32(1)}, (1,)))
    truth = np.array([[True, True], [True, False]])
    made += [
        Case("REDUCE_SUM", [x, np.array([1], I32)], lambda x, a: x.sum((1, 2)) * 0.5, {"REDUCE_SUM_REDUCE_TO_END": yes(), "REDUCE_SUM_COEFF": f32(0.5)}, (1,)),
        Case("REDUCE_ALL", [truth, np.array([1], I32)], lambda x, a: x.all(1), {"REDUCE_ALL_COEFF": f32(1)}, (1,), types=(F32,)),
        Case("ALL", [truth, np.array([0], I32)], lambda x, a: x.all(0, keepdims=True), {"ALL_KEEP_DIMS": one(1)}, (1,), types=(F32,)),
        Case("ARG_MAX", [x], lambda x: x.argmax(-1).astype(I32)),
        Case("ARG_MAX", [x], lambda x: x.argmax(1)[:, None].astype(I32), {"ARG_MAX_AXIS": one(1), "ARG_MAX_KEEPDIMS": yes()}),
        Case("TOP_K", [x, np.array([3], I32)], lambda x, k: (-np.sort(-x, 2)[:, :, :3], np.argsort(-x, 2, kind="stable")[:, :, :3].astype(I32)),
             {"TOP_K_AXIS": one(2)}, (1,)),
    ]
    return made


def picks() -> list[Case]:
    x, rows = normal(5, 4, 3), np.array([[0, 2], [4, -1]], I32)
    condition = np.array([[True], [False], [True]])
    return [
        Case("GATHER", [x, rows, np.array([0], I32)], lambda x, i, a: x[i], {}, (0, 2)),
        Case("GATHER", [x, np.array([2, 0], I64), np.array([1], I32)], lambda x, i, a: x[:, i], {}, (2,)),
        Case("GATHER_ND", [x, np.array([[0, 1], [4, 3]], I32)], lambda x, i: x[tuple(i.T)]),
        Case("SCATTER_ND", [np.array([[1], [3], [1]], I32), normal(3, 2), np.array([4, 2], I32)], scattered, {}, (2,)),
        Case("WHERE", [condition, normal(3, 4), normal(4)], np.where), Case("SELECT", [condition, normal(3, 4), normal(3, 4)], np.where),
        Case("ONE_HOT", [np.array([[0, 2], [1, 9]], I32), np.array([3], I32), f_(5), f_(-1)],
             lambda i, d, on, off: np.where(i[..., None] == np.arange(3), on, off), {}, (1,)),
    ]


def scattered(indices: Array, updates: Array, shape: Array) -> Array:
    out = np.zeros((4, 2))
    np.add.at(out, indices[:, 0], updates)
    return out


def windows() -> list[Case]:
    x, w = normal(2, 6, 5, 4), normal(8, 3, 3, 2)
    stride, pad = {"CONV2D_STRIDES": i64(2, 1), "CONV2D_GROUP": one(2)}, {"CONV2D_PAD": i64(1, 1, 0, 2)}
    return [
        Case("CONV2D", [x, normal(7, 1, 1, 4), normal(7)], lambda x, w, b: x @ w[:, 0, 0].T + b),
        Case("CONV2D", [x, w, normal(8)], lambda x, w, b: np.maximum(convolved(x, w, b, (2, 1), (1, 1, 0, 2), 2), 0),
             {**stride, **pad, "CONV2D_ACTIVATION_TYPE": act(1)}, (1, 2)),
        Case("DEPTHWISE_CONV2D_NATIVE", [x, normal(4, 3, 3, 1), normal(4)], lambda x, w, b: convolved(x, w, b, (1, 1), (1, 1, 1, 1), 4),
             {"DEPTHWISE_CONV2D_NATIVE_PAD_MODE": act(1)}, (1, 2)),
        Case("MAX_POOL", [x], lambda x: pooled(x, np.max), {"MAX_POOL_KERNEL_SIZE": i64(2, 2), "MAX_POOL_STRIDE": i64(2, 2)}),
        Case("AVG_POOL", [x], lambda x: pooled(x, np.mean), {"AVG_POOL_KERNEL_SIZE": i64(2, 2), "AVG_POOL_STRIDE": i64(2, 2)}),
        Case("AVG_POOL", [x], lambda x: x.mean((1, 2), keepdims=True), {"AVG_POOL_GLOBAL": yes()}),
    ]


def convolved(x: Array, w: Array, b: Array, stride: tuple[int, int], pad: tuple[int, int, int, int], group: int) -> Array:
    x = np.pad(x, [(0, 0), pad[:2], pad[2:], (0, 0)])
    out, high, wide, part = w.shape
    each = out // group
    rows, columns = ((x.shape[i + 1] - w.shape[i + 1]) // stride[i] + 1 for i in range(2))
    made = np.zeros((len(x), rows, columns, out))
    for r in range(rows):
        for c in range(columns):
            seen = x[:, r * stride[0]:r * stride[0] + high, c * stride[1]:c * stride[1] + wide]
            for o in range(out):
                made[:, r, c, o] = (seen[..., o // each * part:(o // each + 1) * part] * w[o]).sum((1, 2, 3)) + b[o]
    return made


def pooled(x: Array, how: Callable[..., Array]) -> Array:
    x = x[:, :x.shape[1] // 2 * 2, :x.shape[2] // 2 * 2]
    return how(x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2, x.shape[3]), axis=(2, 4))
