# SPDX-License-Identifier: Apache-2.0
"""Android sparse images: a stranger unpacks them to what went in, and their fields are those of libsparse."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import struct
import subprocess
from pathlib import Path

import pytest
from image.made import parameter

from kiln import image as room
from kiln.errors import ImageError
from kiln.image.formats import sparse
from kiln.product import Product
from kiln.results import Base, Output, Partition
from kiln.run import find

pytestmark = pytest.mark.fast

BLOCK = 4096


def chunks(raw: bytes) -> list[tuple[int, int, bytes]]:
    """(kind, blocks, body) of a sparse file, read by its published layout."""
    magic, major, minor, head, small, block, blocks, count, checksum = struct.unpack_from("<IHHHHIIII", raw)
    assert (magic, major, minor, head, small, block, checksum) == (0xED26FF3A, 1, 0, 28, 12, BLOCK, 0)
    found, at = [], head
    while at < len(raw):
        kind, reserved, length, total = struct.unpack_from("<HHII", raw, at)
        assert reserved == 0 and length and total == 12 + {0xCAC1: length * BLOCK, 0xCAC2: 4}[kind]
        found.append((kind, length, raw[at + 12:at + total]))
        at += total
    assert at == len(raw) and len(found) == count and sum(length for _, length, _ in found) == blocks
    return found


def unpacked(file: Path) -> bytes:
    raw = file.with_suffix(".raw")
    subprocess.run([find("simg2img"), str(file), str(raw)], check=True, capture_output=True)
    return raw.read_bytes()


def pack(product: Product, rows: tuple[Partition, ...], folder: Path) -> tuple[Output, ...]:
    (folder / "image").mkdir()
    (folder / "images").mkdir()
    (folder / "image" / "parameter.txt").write_text(parameter())
    return sparse.pack(product, rows, folder / "image" / "parameter.txt", folder / "images", folder / "log")


def test_a_stranger_unpacks_every_partition(virt: Product, base: Base, tmp_path: Path) -> None:
    outputs = pack(virt, base.partitions, tmp_path)
    assert [(one.file.name, one.partition, one.offset) for one in outputs] == [
        ("boot_linux.sparse.img", "boot_linux", 0x4000 * 512), ("system.sparse.img", "system", 0x6000 * 512),
        ("vendor.sparse.img", "vendor", 0xE000 * 512), ("sys_prod.sparse.img", "sys-prod", 0x2E000 * 512), ("parameter.txt", "", 0)]
    images = {row.name: row.image for row in base.partitions}
    for one in outputs[:-1]:
        image = images[one.partition]
        text = image.read_bytes() if image else b""
        assert text and unpacked(one.file) == text + bytes(-len(text) % BLOCK)
        assert (one.size, one.sha256) == (one.file.stat().st_size, hashlib.sha256(one.file.read_bytes()).hexdigest())
        assert {kind for kind, _, _ in chunks(one.file.read_bytes())} <= {0xCAC1, 0xCAC2}
    assert outputs[2].size < 1 << 20                               # of a file system of 16 MiB that is nearly empty
    room._tidy(tmp_path / "images", outputs)
    assert {file for file in (tmp_path / "images").iterdir() if file.suffix == ".img"} == {one.file for one in outputs[:-1]}


@pytest.mark.parametrize("blocks", ["", "z", "d", "zd", "dz", "dzzd", "zdzdz"])
@pytest.mark.parametrize("tail", [0, 1, 511, 4095])
def test_every_mix_of_zeros_and_data(blocks: str, tail: int, tmp_path: Path) -> None:
    text = b"".join(bytes(BLOCK) if one == "z" else b"\0" * 4000 + b"d" * 96 for one in blocks) + b"t" * tail
    source, into = tmp_path / "a.img", tmp_path / "a.sparse.img"
    source.write_bytes(text)
    sparse.write(source, into)
    body = b"".join(part if kind == 0xCAC1 else part * (length * 1024) for kind, length, part in chunks(into.read_bytes()))
    assert body == text + bytes(-len(text) % BLOCK)                # zeros fill the last block
    kinds = ["z" if kind == 0xCAC2 else "d" for kind, _, _ in chunks(into.read_bytes())]
    assert all(one != two for one, two in zip(kinds, kinds[1:], strict=False))


def test_the_holes_of_the_file_have_no_say(tmp_path: Path) -> None:
    """A copy that fills the holes in, or one whose holes end inside a block, gives the same bytes."""
    text = bytearray(3 << 20)
    text[5000:9000], text[2_000_000:2_000_100], text[-1:] = random.Random(1).randbytes(4000), b"x" * 100, b"e"
    (tmp_path / "full").write_bytes(text)
    with (tmp_path / "holes").open("wb") as out:
        out.truncate(len(text))
        for at in range(0, len(text), 1024):
            if any(text[at:at + 1024]):
                os.pwrite(out.fileno(), text[at:at + 1024], at)
    for name in ("full", "holes"):
        sparse.write(tmp_path / name, tmp_path / f"{name}.sparse.img")
    assert (tmp_path / "full.sparse.img").read_bytes() == (tmp_path / "holes.sparse.img").read_bytes()
    assert unpacked(tmp_path / "holes.sparse.img") == text


def test_holes_that_end_inside_a_block(tmp_path: Path) -> None:
    """As on a disk with blocks of 1 KiB."""
    text = bytes(5 * 1024) + b"a" * 1024 + bytes(1024) + b"b" * 2048 + bytes(9 * 1024) + b"c" * 1024 + bytes(4096)
    (tmp_path / "a").write_bytes(text)
    with (tmp_path / "a").open("rb") as stream:
        found = list(sparse._blocks(stream, len(text), [(5120, 1024), (7168, 2048), (18432, 1024)]))
    assert [one for one in found if one[1]] == [(True, 1), (False, 1), (False, 1), (True, 1), (False, 1), (True, 1)]


def test_past_4_gib(tmp_path: Path) -> None:
    source, into = tmp_path / "a.img", tmp_path / "a.sparse.img"
    with source.open("wb") as out:
        out.truncate((5 << 30) + 4096)
        os.pwrite(out.fileno(), b"end", 5 << 30)
    sparse.write(source, into)
    found = chunks(into.read_bytes())
    assert sum(length for _, length, _ in found) * BLOCK == (5 << 30) + 4096 and found[-1] == (0xCAC1, 1, b"end" + bytes(4093))
    assert len(found) == 81 and max(length for _, length, _ in found) == (64 << 20) // BLOCK


def test_no_chunk_is_longer_than_a_reader_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "LONGEST", 3)
    (tmp_path / "a").write_bytes(b"d" * BLOCK * 7 + bytes(BLOCK * 4))
    sparse.write(tmp_path / "a", tmp_path / "a.sparse.img")
    assert [(kind, length) for kind, length, _ in chunks((tmp_path / "a.sparse.img").read_bytes())] == [
        (0xCAC1, 3), (0xCAC1, 3), (0xCAC1, 1), (0xCAC2, 3), (0xCAC2, 1)]
    assert unpacked(tmp_path / "a.sparse.img") == (tmp_path / "a").read_bytes()


def test_a_partition_that_ends_inside_a_block(virt: Product, base: Base, tmp_path: Path) -> None:
    image = tmp_path / "odd.img"
    image.write_bytes(b"o" * 4608)
    row = dataclasses.replace(base.partitions[4], size=9, image=image)
    with pytest.raises(ImageError, match=r"odd.img has 8192 bytes in whole blocks of 4096, its partition boot_linux only 4608; image.formats: directory"):
        pack(virt, (row,), tmp_path)


def test_a_file_that_shrinks_while_it_is_packed(tmp_path: Path) -> None:
    source = tmp_path / "a.img"
    source.write_bytes(b"d" * BLOCK * 300)
    with source.open("rb") as stream:
        os.truncate(source, 5000)
        with pytest.raises(ImageError, match="a.img: was cut short while it was packed; did something change it"):
            list(sparse._runs(stream, BLOCK * 300))
