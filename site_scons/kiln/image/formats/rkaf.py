# SPDX-License-Identifier: Apache-2.0
"""RKAF, the inside of Rockchip's update.img: loader, table and every partition in one file, with a checksum at its end."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from kiln.errors import ImageError
from kiln.image import rockchip, spans
from kiln.image import table as tables
from kiln.image.formats.directory import image_name
from kiln.image.rockchip import NOWHERE, Item
from kiln.product import Product
from kiln.progress import Progress, silent
from kiln.results import Output, Partition

NAME = "update.raw.img"
_PARAMETER = 0x2000                    # sectors before the first partition: Rockchip's place for the table


def items(partitions: Sequence[Partition], loader: bytes, text: str) -> tuple[Item, ...]:
    """What goes in, in order: the list of it, the loader, the table, the partitions that have an image."""
    found = [Item("bootloader", rockchip.LOADER, 0, NOWHERE, loader), Item("parameter", "parameter.txt", _PARAMETER, 0, rockchip.parm(text.encode()))]
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


def write(out: IO[bytes], at: int, text: str, parts: Sequence[Item], tell: spans.Tell) -> None:
    """The RKAF from offset `at` of a new file on, without its checksum."""
    offsets, length = rockchip.layout(parts)
    out.truncate(at + length)
    os.pwrite(out.fileno(), rockchip.rkaf_head(text, parts), at)
    for item, offset in zip(parts, offsets, strict=True):
        if isinstance(item.data, bytes):
            os.pwrite(out.fileno(), item.data, at + offset)
        else:
            spans.place(item.data, out.fileno(), at + offset, tell)


def seal(out: IO[bytes], at: int, digests: Sequence[Any], tell: spans.Tell) -> None:
    """Append the checksum of what lies from `at` on; the whole file goes through hashlib's `digests`, all in one reading.

    Each digest has a thread, since hashlib lets go of the lock: MD5 alone takes twice as long as all the rest.
    """
    end, check = os.fstat(out.fileno()).st_size, 0
    for one in digests:
        one.update(os.pread(out.fileno(), at, 0))
    with ThreadPoolExecutor(len(digests)) as pool:
        for piece in spans.pieces(out, at, end, tell):
            waiting = [pool.submit(one.update, piece) for one in digests]
            check = rockchip.crc(piece, check)
            for future in waiting:
                future.result()
    append(out, struct.pack("<I", check), digests)


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
    with beside.open("w+b") as out, progress(2 * spans.weight(row.image for row in partitions if row.image), "pack rkaf") as update:
        write(out, 0, text, parts, update)
        seal(out, 0, [digest], update)
    beside.replace(file)
    return (Output(file, "rkaf", file.stat().st_size, digest.hexdigest()),)
