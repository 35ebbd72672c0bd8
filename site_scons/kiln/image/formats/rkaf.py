# SPDX-License-Identifier: Apache-2.0
"""RKAF, the inside of Rockchip's update.img: loader, table and every partition in one file, with a checksum at its end."""

from __future__ import annotations

import hashlib
import os
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from kiln.errors import ImageError
from kiln.image import rockchip, spans
from kiln.image import table as tables
from kiln.image.formats.directory import image_name
from kiln.image.rockchip import NOWHERE, Item
from kiln.product import Product
from kiln.progress import Progress, silent
from kiln.results import LOADER, Output, Partition

NAME = "update.raw.img"
_ZEROS = bytes(1 << 20)
_AHEAD = 16                            # pieces of a MiB that a digest may lag behind
_PARAMETER = 0x2000                    # sectors before the first partition: Rockchip's place for the table


def items(partitions: Sequence[Partition], loader: bytes, text: str) -> tuple[Item, ...]:
    """What goes in, in order: the list of it, the loader, the table, the partitions that have an image."""
    found = [Item("bootloader", LOADER, 0, NOWHERE, loader), Item("parameter", "parameter.txt", _PARAMETER, 0, rockchip.parm(text.encode()))]
    found += [Item(row.name, image_name(row.name), row.size or NOWHERE, row.start, row.image) for row in partitions if row.image]
    far = next((row.name for row in partitions if row.image and max(row.start, row.size) >= NOWHERE), None)
    if far:
        raise ImageError(f"partition {far}: an update.img knows sectors below {NOWHERE:#x} only", where="parameter.txt")
    names = ["package-file", *(item.name for item in found)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ImageError(f"partition {twice} has the name of a part that every update.img has", where="parameter.txt")
    listed = "".join(f"{name}\t{file}\n" for name, file in [("package-file", "package-file"), *((item.name, item.file) for item in found)])
    return (Item("package-file", "package-file", 0, NOWHERE, listed.encode()), *found)


def write(out: IO[bytes], at: int, text: str, parts: Sequence[Item], digests: Sequence[Any], tell: spans.Tell) -> None:
    """The RKAF from offset `at` of a new file on, with its checksum; the whole file goes through hashlib's `digests` as it is written.

    Each digest has a thread, since hashlib lets go of the lock: MD5 alone takes as long as all the rest, twice over.
    """
    to, check = at, 0
    out.truncate(at + rockchip.layout(parts)[1])
    with _Hashes(digests) as hashes:
        hashes.update(os.pread(out.fileno(), at, 0))
        for piece in _bytes(text, parts, tell):
            hashes.update(piece)
            check = rockchip.crc(piece, check)
            if piece != _ZEROS[:len(piece)]:         # zeros stay a hole
                os.pwrite(out.fileno(), piece, to)
            to += len(piece)
    append(out, struct.pack("<I", check), digests)


def _bytes(text: str, parts: Sequence[Item], tell: spans.Tell) -> Iterator[bytes]:
    """All of it but the checksum, in order, a MiB at most at a time."""
    offsets, length = rockchip.layout(parts)
    yield rockchip.rkaf_head(text, parts)
    for item, start, end in zip(parts, offsets, (*offsets[1:], length), strict=True):
        if isinstance(item.data, bytes):
            yield item.data
        else:
            with item.data.open("rb") as stream:
                yield from spans.pieces(stream, 0, item.size, tell)
        yield bytes(end - start - item.size)


class _Hashes:
    """A thread for each digest, at most AHEAD pieces behind."""

    def __init__(self, digests: Sequence[Any]) -> None:
        self._each = [(one, ThreadPoolExecutor(1)) for one in digests]
        self._waiting: deque[list[Future[None]]] = deque()

    def __enter__(self) -> _Hashes:
        return self

    def __exit__(self, *_: object) -> None:
        for _, thread in self._each:
            thread.shutdown()          # waits for what it was given

    def update(self, piece: bytes) -> None:
        self._waiting.append([thread.submit(one.update, piece) for one, thread in self._each])
        if len(self._waiting) > _AHEAD:
            for done in self._waiting.popleft():
                done.result()


def append(out: IO[bytes], text: bytes, digests: Sequence[Any]) -> None:
    """Put bytes at the end of the file and into the digests."""
    os.pwrite(out.fileno(), text, os.fstat(out.fileno()).st_size)
    for one in digests:
        one.update(text)


def pack(product: Product, partitions: Sequence[Partition], table: Path, into: Path, log: Path,
         progress: Progress = silent) -> tuple[Output, ...]:
    """One file. Raises Refused if the base has no loader, ImageError for what the format has no room for."""
    text, digest = tables.read(table).text, hashlib.sha256()
    parts = items(partitions, rockchip.loader(table), text)
    beside, file = into / f".{NAME}.tmp", into / NAME
    with beside.open("w+b") as out, progress(spans.weight(row.image for row in partitions if row.image), "pack rkaf") as update:
        write(out, 0, text, parts, [digest], update)
    spans.put(beside, file)
    return (Output(file, "rkaf", file.stat().st_size, digest.hexdigest()),)
