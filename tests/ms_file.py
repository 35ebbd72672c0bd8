# SPDX-License-Identifier: Apache-2.0
"""Small .ms models for tests: a writer of flatbuffers, and MindSpore Lite's schema as far as the models need it.

The numbers of fields and operators are those of MindSpore Lite's model.fbs and ops.fbs (2.1). They were compared with two
files of the real converter, of 1.2 and 1.3: operators, tensors, indices and subgraphs of both read as they should.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FLOAT32 = 43
ADD, MATMUL, SOFTMAX, MUL = 5, 89, 138, 99
RELU, RELU6 = 1, 3


@dataclass(frozen=True)
class Number:
    """A scalar field: a format of `struct` and its value."""

    kind: str
    value: int


@dataclass(frozen=True)
class Numbers:
    """A vector of scalars."""

    kind: str
    values: Sequence[int]


Table = Mapping[int, Any]             # field number -> Number, Numbers, bytes, str, Table or a list of Tables


class Flat:
    """Tables written one after the other, each before what it points to, so that every offset leads forward as it must."""

    def __init__(self, root: Table, identifier: bytes) -> None:
        self.data = bytearray(b"\0\0\0\0" + identifier)
        self._point(0, root)

    def _point(self, place: int, value: Any) -> None:
        struct.pack_into("<I", self.data, place, self._put(value) - place)

    def _put(self, value: Any) -> int:
        if isinstance(value, str):
            return self._vector(len(value.encode()), value.encode() + b"\0", 1)
        if isinstance(value, bytes):
            return self._vector(len(value), value, 4)
        if isinstance(value, Numbers):
            return self._vector(len(value.values), struct.pack(f"<{len(value.values)}{value.kind}", *value.values), struct.calcsize(value.kind))
        if isinstance(value, list):
            at = self._vector(len(value), bytes(4 * len(value)), 4)
            for n, table in enumerate(value):
                self._point(at + 4 + 4 * n, table)
            return at
        return self._table(value)

    def _vector(self, count: int, data: bytes, align: int) -> int:
        self._align(4)
        while (len(self.data) + 4) % align:
            self.data += bytes(4)
        at = len(self.data)
        self.data += struct.pack("<I", count) + data
        return at

    def _table(self, table: Table) -> int:
        """The vtable, then the table, widest fields last so that all stand aligned."""
        offsets, place = dict.fromkeys(table, 0), 4
        for number, value in sorted(table.items(), key=lambda item: self._width(item[1])):
            width = self._width(value)
            place += -place % width
            offsets[number], place = place, place + width
        slots = [offsets.get(number, 0) for number in range(max(table, default=-1) + 1)]
        self._align(8)
        vtable = struct.pack(f"<HH{len(slots)}H", 4 + 2 * len(slots), place, *slots)
        self.data += vtable
        self._align(8)
        at = len(self.data)
        self.data += struct.pack("<i", len(vtable) + -len(vtable) % 8) + bytes(place - 4)
        for number, value in table.items():
            if isinstance(value, Number):
                struct.pack_into(f"<{value.kind}", self.data, at + offsets[number], value.value)
        for number, value in table.items():
            if not isinstance(value, Number):
                self._point(at + offsets[number], value)
        return at

    @staticmethod
    def _width(value: Any) -> int:
        return struct.calcsize(value.kind) if isinstance(value, Number) else 4

    def _align(self, width: int) -> None:
        self.data += bytes(-len(self.data) % width)


@dataclass
class Model:
    """A model under construction: tensors by name; `save()` gives the bytes of the .ms."""

    tensors: list[dict[int, Any]] = field(default_factory=list)
    nodes: list[dict[int, Any]] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)

    def tensor(self, name: str, shape: Sequence[int], data: np.ndarray | None = None, kind: int = FLOAT32) -> str:
        made: dict[int, Any] = {0: Number("i", 0 if data is not None else 2), 1: Number("i", kind), 2: Numbers("i", shape), 3: Number("i", 1),
                                9: name}
        if data is not None:
            made[6] = data.tobytes()
        self.names[name] = len(self.tensors)
        self.tensors.append(made)
        return name

    def constant(self, name: str, data: np.ndarray) -> str:
        return self.tensor(name, data.shape, np.ascontiguousarray(data, np.float32))

    def node(self, kind: int, inputs: Sequence[str], output: str, attributes: Table | None = None) -> str:
        if output not in self.names:
            self.tensor(output, ())
        self.nodes.append({0: f"{output}-op", 2: {0: Number("B", kind), 1: dict(attributes or {})},
                           3: Numbers("I", [self.names[one] for one in inputs]), 4: Numbers("I", [self.names[output]])})
        return output

    def matmul(self, a: str, b: str, output: str, *more: str, transpose_a: bool = False, transpose_b: bool = False, activation: int = 0) -> str:
        return self.node(MATMUL, (a, b, *more), output,
                         {0: Number("B", transpose_a), 1: Number("B", transpose_b), 2: Number("b", activation)})

    def add(self, a: str, b: str, output: str, activation: int = 0) -> str:
        return self.node(ADD, (a, b), output, {0: Number("b", activation)})

    def softmax(self, a: str, output: str, axis: int = -1) -> str:
        return self.node(SOFTMAX, (a,), output, {0: Numbers("q", [axis])})

    def save(self, inputs: Sequence[str], outputs: Sequence[str], *, subgraph: bool = True, identifier: bytes = b"MSL2") -> bytes:
        ends = [Numbers("I", [self.names[one] for one in names]) for names in (inputs, outputs)]
        meta: dict[int, Any] = {1: "MindSpore Lite 2.1.0", 3: ends[0], 4: ends[1], 6: self.nodes, 7: self.tensors}
        if subgraph:
            meta[8] = [{0: "main_graph", 1: ends[0], 2: ends[1], 3: Numbers("I", range(len(self.nodes))), 4: Numbers("I", range(len(self.tensors)))}]
        return bytes(Flat(meta, identifier).data)


def generated(shape: Sequence[int], index: int = 0) -> np.ndarray:
    """What ms-client puts into input number `index` when no file is given."""
    at = np.arange(int(np.prod(shape)), dtype=np.int64)
    return ((((7 * at + 3 * index) % 17) - 8) / 8).astype(np.float32).reshape(shape)


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def network(seed: int = 7, rows: int = 6, width: int = 8, hidden: int = 16, classes: int = 10) -> tuple[bytes, np.ndarray]:
    """Two layers and a softmax, as a .ms, and what numpy says it gives for the generated input."""
    random = np.random.default_rng(seed)
    up, bias, down, shift = (random.normal(size=shape).astype(np.float32) for shape in ((hidden, width), (hidden,), (hidden, classes), (classes,)))
    made = Model()
    made.tensor("tokens", (rows, width))
    for name, data in dict(up=up, bias=bias, down=down, shift=shift).items():
        made.constant(name, data)
    made.matmul("tokens", "up", "hidden", "bias", transpose_b=True, activation=RELU)
    made.matmul("hidden", "down", "logits")
    made.add("logits", "shift", "shifted")
    made.softmax("shifted", "answer")
    x = np.maximum(generated((rows, width)) @ up.T + bias, 0)
    return made.save(["tokens"], ["answer"]), softmax(x @ down + shift)
