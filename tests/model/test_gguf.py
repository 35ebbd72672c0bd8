# SPDX-License-Identifier: Apache-2.0
"""The header parser: what the gguf package writes is read right, and what a liar writes costs one clear line."""

from __future__ import annotations

import io
import random
import resource
import struct
import time
from pathlib import Path

import gguf as package
import pytest
from model.made import Shape, write

from kiln.errors import ModelError
from kiln.model import ggml, gguf

pytestmark = pytest.mark.fast


def read(data: bytes, size: int | None = None) -> gguf.Header:
    return gguf.header(io.BytesIO(data), size=size)


def said(data: bytes, size: int | None = None) -> str:
    """The one line that a hostile header is refused with."""
    with pytest.raises(ModelError) as caught:
        read(data, size)
    line = str(caught.value)
    assert "\n" not in line and len(line) < 700
    return line


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return u64(len(raw)) + raw


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + u32(kind) + value


def tensor(name: str, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + u32(len(shape)) + b"".join(map(u64, shape)) + u32(kind) + u64(offset)


def whole(entries: tuple[bytes, ...] = (), tensors: tuple[bytes, ...] = (), data: int = 0, version: int = 3) -> bytes:
    head = b"GGUF" + u32(version) + u64(len(tensors)) + u64(len(entries)) + b"".join(entries) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(data)


def test_what_the_gguf_package_writes(tiny: Path) -> None:
    header = gguf.header(tiny)
    assert (header.version, header.architecture, header.name, header.licence) == (3, "llama", "tiny", "Apache-2.0")
    assert (header.n_layer, header.n_embd, header.n_head, header.n_head_kv, header.context_length) == (2, 256, 4, 2, 512)
    assert (header.heads_kv, header.head_k, header.head_v, header.n_vocab) == ((2, 2), 64, 64, 512)
    assert header.tokenizer == "llama" and not header.quantized
    assert header.metadata["tokenizer.ggml.tokens"] == gguf.Array(512)


def test_every_tensor_is_where_the_gguf_package_finds_it(tiny: Path) -> None:
    reader = package.GGUFReader(tiny)
    header = gguf.header(tiny)
    theirs = {one.name: (one.tensor_type.name, tuple(map(int, one.shape)), int(one.data_offset), int(one.n_bytes)) for one in reader.tensors}
    ours = {one.name: (one.type, one.shape, header.data + one.offset, one.size) for one in header.tensors}
    assert ours == theirs


def test_types_agree_with_the_gguf_package() -> None:
    for kind, (block, size) in package.GGML_QUANT_SIZES.items():
        if kind.name != "Q8_1":  # theirs says 40, ggml-common.h asserts 36; no file holds it
            assert ggml.NUMBERED[int(kind)] == ggml.Type(kind.name, block, size)


def test_the_front_of_a_download_is_enough(tiny: Path) -> None:
    front = tiny.read_bytes()[:65536]
    assert read(front, size=tiny.stat().st_size).tensors == gguf.header(tiny).tensors
    assert "fetch it again" in said(front)


def test_heads_per_layer_may_be_an_array() -> None:
    each = u32(4) + u64(3) + u32(8) + u32(2) + u32(0)
    made = read(whole((entry("general.architecture", 8, text("x")), entry("x.block_count", 4, u32(3)),
                       entry("x.attention.head_count", 4, u32(8)), entry("x.attention.head_count_kv", 9, each))))
    assert made.heads_kv == (8, 2, 0) and made.n_head_kv == 8


@pytest.mark.parametrize("data,line", [
    (b"", "is 0 bytes, too short for a GGUF"),
    (b"GGUF" + bytes(8), "is 12 bytes, too short"),
    (b"GGML" + bytes(60), "begins with b'GGML', not with 'GGUF'"),
    (b"PK\x03\x04" + bytes(60), "a zip (PyTorch) file"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
    (b"GGUF" + struct.pack(">I", 3) + bytes(60), "big-endian"),
    (whole(version=1), "is GGUF version 1"),
    (whole(version=99), "is GGUF version 99"),
    (b"GGUF" + u32(3) + u64(1 << 63) + u64(0) + bytes(64), f"the number of tensors is {1 << 63}, at most 65536"),
    (b"GGUF" + u32(3) + u64(0) + u64(1 << 63) + bytes(64), f"the number of metadata keys is {1 << 63}, at most"),
    (whole((u64(1 << 62) + b"key",)), "the length of metadata key 0 is"),
    (whole((entry("a", 8, u64(1 << 62)),)), "the file has"),
    (whole((entry("a", 8, u64(1 << 30)),)), "cut short"),
    (whole((entry("a", 9, u32(8) + u64(1 << 63)),)), "the number of items of 'a' is"),
    (whole((entry("a", 9, u32(8) + u64(1 << 21)),)), "cut short"),
    (whole((entry("a", 9, u32(12) + u64(1 << 25)),)), "cut short"),
    (whole((entry("a", 9, u32(9) + u64(1) + u32(9) + u64(1)),)), "'a' is an array of arrays"),
    (whole((entry("a", 9, u32(77) + u64(1)),)), "items of the unknown type 77"),
    (whole((entry("a", 13, b""),)), "'a' has the unknown type 13"),
    (whole((entry("a", 4, u32(1)), entry("a", 4, u32(1)))), "'a' stands there twice"),
    (whole((entry("", 4, u32(1)),)), "metadata key 0 is empty"),
    (whole((entry("general.alignment", 4, u32(0)),)), "general.alignment is 0"),
    (whole((entry("general.alignment", 4, u32(48)),)), "general.alignment is 48"),
    (whole((entry("general.name", 4, u32(1)),)), "'general.name' is not text"),
    (whole((entry("general.architecture", 8, text("x")), entry("x.block_count", 6, struct.pack("<f", 2)))), "'x.block_count' is 2.0"),
    (whole((entry("general.architecture", 8, text("x")), entry("x.block_count", 4, u32(1 << 31)))), "at most 4096"),
    (whole(tensors=(tensor("t" * 64, (32,)),), data=128), "the length of the name of tensor 0 is 64, at most 63"),
    (whole(tensors=(text(b"\xff\xfe") + tensor("", (32,))[8:],), data=128), "is not UTF-8"),
    (whole(tensors=(tensor("t", (32,)), tensor("t", (32,), offset=128)), data=256), "tensor 't' stands there twice"),
    (whole(tensors=(tensor("t", (1, 1, 1, 1, 1)),), data=128), "the number of dimensions of tensor 't' is 5, at most 4"),
    (whole(tensors=(tensor("t", (32,), kind=4),), data=128), "tensor 't' has the unknown type 4"),
    (whole(tensors=(tensor("t", (33,), kind=2),), data=128), "impossible shape [33]"),
    (whole(tensors=(tensor("t", (1 << 63,)),), data=128), "impossible shape"),
    (whole(tensors=(tensor("t", (1 << 40, 1 << 40, 1 << 40)),), data=128), "tensor 't' ends at byte"),
    (whole(tensors=(tensor("t", (32,), offset=32),), data=256), "tensor 't' is at offset 32, its place is 0"),
    (whole(tensors=(tensor("t", (32,), offset=1 << 63),), data=256), "its place is 0"),
    (whole(tensors=(tensor("t", (32,)),), data=127), "tensor 't' ends at byte"),
])
def test_a_liar_is_told_in_one_line(data: bytes, line: str) -> None:
    assert line in said(data)


def test_terminal_escapes_in_names_are_not_shown() -> None:
    assert "\x1b" not in said(whole((entry("\x1b[31mred", 13, b""),)))


def test_an_endless_vocabulary_of_empty_strings_ends() -> None:
    """64 MiB of zero lengths, the most that a header may have: bounded time, bounded memory."""
    items = gguf.ITEMS
    data = whole(tuple(entry(f"k{i}", 9, u32(8) + u64(items) + bytes(8 * items)) for i in range(3)))
    began = time.monotonic()
    assert "a header of more than 67108864 bytes is not taken" in said(data)
    assert time.monotonic() - began < 10


class Endless(io.RawIOBase):
    """A stream that never ends and says that it is huge."""

    def __init__(self, start: bytes) -> None:
        self.start, self.given = start, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self.start[self.given:self.given + size].ljust(size, b"\1")
        self.given += len(piece)
        return piece


def test_an_endless_stream_is_read_no_further_than_needed() -> None:
    stream = Endless(b"GGUF" + u32(3) + u64(0) + u64(1) + text("a") + u32(8) + u64(1 << 40))
    with pytest.raises(ModelError, match="a header of more than"):
        gguf.header(stream, size=1 << 50)  # type: ignore[arg-type]
    assert stream.given <= 1 << 20


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a file"):
        gguf.header(tmp_path)
    with pytest.raises(ModelError, match="is not there"):
        gguf.header(tmp_path / "none.gguf")


def test_a_model_of_2_gib_is_read_in_milliseconds(tmp_path: Path) -> None:
    big = Shape(layers=16, width=2048, heads=32, heads_kv=8, ff=8192, vocab=32000, context=4096)
    file = write(tmp_path / "big.gguf", big, sparse=True)
    assert file.stat().st_size > 2 << 30
    began = time.perf_counter()
    gguf.header(file)
    assert time.perf_counter() - began < 0.2  # 0.02 s seen


def fuzzed(good: bytes, numbers: random.Random) -> bytes:
    """One damage: flipped bits, a length made huge, a cut, a piece doubled, moved or made of random bytes."""
    data = bytearray(good)
    at = numbers.randrange(min(len(data), 2000) if numbers.random() < 0.7 else len(data))
    match numbers.randrange(6):
        case 0:
            for _ in range(numbers.randrange(1, 9)):
                data[numbers.randrange(len(data))] ^= 1 << numbers.randrange(8)
        case 1:
            data[at:at + 8] = u64(numbers.choice((1 << 63, (1 << 64) - 1, 1 << 32, 1 << 20, 0, 255, numbers.getrandbits(64))))
        case 2:
            del data[at:]
        case 3:
            data[at:at] = data[at:at + numbers.randrange(1, 64)]
        case 4:
            data[at:at + 16] = numbers.randbytes(16)
        case _:
            data[at:at + 4] = u32(numbers.choice((0, 8, 9, 12, 13, 0xFFFFFFFF)))
    return bytes(data)


def fuzz(good: bytes, count: int, seed: int) -> tuple[int, float]:
    """How many damaged headers were refused, and the longest that one took; anything but a ModelError escapes."""
    numbers, refused, longest = random.Random(seed), 0, 0.0
    for _ in range(count):
        data = fuzzed(good, numbers)
        began = time.perf_counter()
        try:
            read(data, size=max(len(data), 3_000_000) if numbers.random() < 0.5 else None)
        except ModelError as error:
            refused += 1
            assert "\n" not in str(error)
        longest = max(longest, time.perf_counter() - began)
    return refused, longest


def test_10000_damaged_headers_in_bounded_memory(tiny: Path) -> None:
    good = tiny.read_bytes()[:gguf.header(tiny).data]
    fuzz(good, 100, seed=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused, longest = fuzz(good, 10000, seed=3)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert refused > 4000 and longest < 1
    assert grown < 100 << 10  # KiB
