# SPDX-License-Identifier: Apache-2.0
"""The header of a GGUF file, read as hostile: what the model is, its tensors, and that the file holds them.

Our own parser and not that of the `gguf` package: that one maps the file as numpy arrays and believes every length in
it (a count of 2^63 is a loop, a string's length an allocation), and the preflight must not import numpy. Here nothing
is allocated that the file has not delivered (front.py), and all that a header may cost is bounded: FRONT bytes of it,
TENSORS, KEYS and ITEMS things in it. Format: ggml/docs/gguf.md, ggml/src/gguf.cpp of the pinned llama.cpp, whose rules hold.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kiln.errors import ModelError
from kiln.model import ggml
from kiln.model.front import FRONT, TEXT, Front

TENSORS = 1 << 16      # DeepSeek-V3 has 1,100
KEYS = 1 << 12
ITEMS = 1 << 22        # strings of one array
KEPT = 1 << 10         # numbers of an array that we keep: values per layer, not vocabularies
LAYERS = 1 << 12
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_OTHERS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file", "fetch it: git lfs pull"),
    (b"PK\x03\x04", "a zip (PyTorch) file, not a GGUF", "convert it to GGUF first"),
    (b"tjgg", "a ggml file of before August 2023, not a GGUF", "convert the original model again"),
    (b"lmgg", "a ggml file of before August 2023, not a GGUF", "convert the original model again"),
)


@dataclass(frozen=True)
class Array:
    """An array in the metadata: how many items it has, and the items themselves if they are few numbers."""

    count: int
    items: tuple[int | float, ...] = ()


Value = int | float | str | Array


@dataclass(frozen=True)
class Tensor:
    """One tensor: ggml's type name, shape (row length first), offset from the start of the data, bytes."""

    name: str
    type: str
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True)
class Header:
    """What a GGUF says of itself. `data` is where the tensors begin, `size` the whole file (both bytes).

    Numbers that the file does not state are 0, texts "". `heads_kv` has one number per layer; `spans` holds the bytes
    that each metadata entry takes in the file.
    """

    version: int
    metadata: Mapping[str, Value]
    spans: Mapping[str, int]
    tensors: tuple[Tensor, ...]
    alignment: int
    data: int
    size: int
    architecture: str
    name: str
    licence: str
    tokenizer: str
    n_vocab: int
    n_layer: int
    n_embd: int
    n_head: int
    heads_kv: tuple[int, ...]
    head_k: int                        # length of one key (attention.key_length)
    head_v: int                        # length of one value
    n_expert: int
    context_length: int
    splits: int

    @property
    def n_head_kv(self) -> int:
        """Key/value heads of a layer (of the one that has most)."""
        return max(self.heads_kv, default=0)

    @property
    def weights(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.size for tensor in self.tensors)

    @property
    def quantized(self) -> bool:
        """True if a tensor has a quantized type: such a file is no source for another recipe."""
        return any(ggml.NAMED[tensor.type].quantized for tensor in self.tensors)


def header(source: Path | BinaryIO, *, size: int | None = None, where: str = "") -> Header:
    """The header of a GGUF file, or of a stream that holds at least its front.

    `size` is the size of the whole file (default: what is there), so that the first megabytes of a download are
    enough; `where` is what errors call it. Raises ModelError, one line, for anything that llama.cpp would not load.
    """
    if isinstance(source, Path):
        try:
            if not source.is_file():
                raise ModelError("is not there" if not source.exists() else "is not a file", where=source)
            with source.open("rb") as stream:
                return _header(Front(stream, source.stat().st_size if size is None else size, where or str(source)))
        except OSError as error:
            raise ModelError(f"cannot be read: {error.strerror}", where=source) from error
    if size is None:
        here = source.tell()
        size = source.seek(0, io.SEEK_END) - here
        source.seek(here)
    return _header(Front(source, size, str(getattr(source, "name", "GGUF"))))


def _header(front: Front) -> Header:
    version = _magic(front)
    n_tensors = front.count("Q", "the number of tensors", TENSORS)
    n_keys = front.count("Q", "the number of metadata keys", KEYS)
    metadata: dict[str, Value] = {}
    spans: dict[str, int] = {}
    for i in range(n_keys):
        begin = front.at
        key = front.name(f"metadata key {i}", 65535)
        if key in metadata or not key:
            raise front.bad(f"metadata key {key!r} stands there twice" if key else f"metadata key {i} is empty")
        metadata[key] = _value(front, key)
        spans[key] = front.at - begin
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20 or alignment & (alignment - 1):
        raise front.bad(f"general.alignment is {alignment!r}, not a power of two")
    tensors = _tensors(front, n_tensors, alignment)
    data = ggml.padded(front.at, alignment)
    for tensor in tensors:
        if data + tensor.offset + tensor.size > front.size:
            raise front.bad(f"tensor {tensor.name!r} ends at byte {data + tensor.offset + tensor.size}, the file has {front.size}",
                            "it is cut short: fetch it again")
    return Header(version, metadata, spans, tensors, alignment, data, front.size, **_said(front, metadata))  # type: ignore[arg-type]


def _magic(front: Front) -> int:
    if front.size < 24:
        raise front.bad(f"is {front.size} bytes, too short for a GGUF", "fetch it again")
    begin = front.need(24, "the header")
    start = bytes(front.bytes[begin:begin + 24])
    if start[:4] != b"GGUF":
        for mark, what, hint in _OTHERS:
            if start.startswith(mark):
                raise front.bad(f"is {what}", hint)
        raise front.bad(f"begins with {start[:4]!r}, not with 'GGUF'", "a model is a .gguf file")
    front.at = 8
    version = int.from_bytes(start[4:8], "little")
    if version & 0xFFFF == 0 and version:
        raise front.bad("is a big-endian GGUF", "convert it: gguf_convert_endian.py FILE little")
    if version not in (2, 3):
        raise front.bad(f"is GGUF version {version}; 2 and 3 are read")
    return version


def _value(front: Front, key: str) -> Value:
    kind = int(front.number("I", f"the type of {key!r}"))
    if kind in _SCALARS:
        return front.number(_SCALARS[kind], repr(key))
    if kind == _STRING:
        return front.text(repr(key)).decode("utf-8", "replace")[:TEXT]
    if kind == _ARRAY:
        return _array(front, key)
    raise front.bad(f"{key!r} has the unknown type {kind}")


def _array(front: Front, key: str) -> Array:
    kind = int(front.number("I", f"the item type of {key!r}"))
    if kind == _STRING:
        count = front.count("Q", f"the number of items of {key!r}", ITEMS)
        front.skip_texts(count, repr(key))
        return Array(count)
    if kind not in _SCALARS:
        raise front.bad(f"{key!r} is an array of arrays" if kind == _ARRAY else f"{key!r} has items of the unknown type {kind}")
    count = front.count("Q", f"the number of items of {key!r}", FRONT)
    begin = front.need(count * struct.calcsize("<" + _SCALARS[kind]), repr(key))
    few = count <= KEPT
    return Array(count, struct.unpack_from(f"<{count}{_SCALARS[kind]}", front.bytes, begin) if few else ())


def _tensors(front: Front, count: int, alignment: int) -> tuple[Tensor, ...]:
    found: dict[str, Tensor] = {}
    offset = 0
    for i in range(count):
        name = front.name(f"the name of tensor {i}", 63)
        if name in found:
            raise front.bad(f"tensor {name!r} stands there twice")
        found[name] = tensor = _tensor(front, name)
        if tensor.offset != offset:
            raise front.bad(f"tensor {name!r} is at offset {tensor.offset}, its place is {offset}")
        offset += ggml.padded(tensor.size, alignment)
    return tuple(found.values())


def _tensor(front: Front, name: str) -> Tensor:
    dims = front.count("I", f"the number of dimensions of tensor {name!r}", 4)
    shape = tuple(int(front.number("Q", f"the shape of tensor {name!r}")) for _ in range(dims))
    number = int(front.number("I", f"the type of tensor {name!r}"))
    if number not in ggml.NUMBERED:
        raise front.bad(f"tensor {name!r} has the unknown type {number}", "the pinned llama.cpp does not know it either")
    kind = ggml.NUMBERED[number]
    if any(side >= 1 << 63 for side in shape) or (shape[0] if shape else 1) % kind.block:
        raise front.bad(f"tensor {name!r} of type {kind.name} has the impossible shape {list(shape)}")
    return Tensor(name, kind.name, shape, int(front.number("Q", f"the offset of tensor {name!r}")), ggml.size(kind.name, shape))


def _said(front: Front, metadata: Mapping[str, Value]) -> dict[str, object]:
    """The facts that Kiln asks for, out of the metadata; a key of the wrong kind is an error."""
    arch = _text(front, metadata, "general.architecture")
    heads = _each(front, metadata, f"{arch}.attention.head_count")
    n_layer = _whole(front, metadata, f"{arch}.block_count", LAYERS)
    n_embd, n_head = _whole(front, metadata, f"{arch}.embedding_length"), max(heads, default=0)
    heads_kv = _each(front, metadata, f"{arch}.attention.head_count_kv") or heads
    length = n_embd // n_head if n_head else 0
    tokens = metadata.get("tokenizer.ggml.tokens")
    return {
        "architecture": arch, "name": _text(front, metadata, "general.name"), "licence": _text(front, metadata, "general.license"),
        "tokenizer": _text(front, metadata, "tokenizer.ggml.model"), "n_layer": n_layer, "n_embd": n_embd, "n_head": n_head,
        "n_vocab": tokens.count if isinstance(tokens, Array) else _whole(front, metadata, f"{arch}.vocab_size"),
        "heads_kv": heads_kv * n_layer if len(heads_kv) == 1 else heads_kv,
        "head_k": _whole(front, metadata, f"{arch}.attention.key_length") or length,
        "head_v": _whole(front, metadata, f"{arch}.attention.value_length") or length,
        "n_expert": _whole(front, metadata, f"{arch}.expert_count"),
        "context_length": _whole(front, metadata, f"{arch}.context_length"),
        "splits": _whole(front, metadata, "split.count"),
    }


def _text(front: Front, metadata: Mapping[str, Value], key: str) -> str:
    value = metadata.get(key, "")
    if not isinstance(value, str):
        raise front.bad(f"{key!r} is not text")
    return value


def _whole(front: Front, metadata: Mapping[str, Value], key: str, limit: int = (1 << 31) - 1) -> int:
    value = metadata.get(key, 0)
    if not isinstance(value, int) or not 0 <= value <= limit:
        raise front.bad(f"{key!r} is {value!r}, not a whole number of at most {limit}")
    return value


def _each(front: Front, metadata: Mapping[str, Value], key: str) -> tuple[int, ...]:
    """A number that a file states once or per layer."""
    value = metadata.get(key)
    if value is None:
        return ()
    many = value.items if isinstance(value, Array) else (value,)
    if not all(isinstance(one, int) and 0 <= one < 1 << 16 for one in many):
        raise front.bad(f"{key!r} is not a whole number per layer")
    return tuple(int(one) for one in many if not isinstance(one, str))
