# SPDX-License-Identifier: Apache-2.0
"""A whole disk: GPT and every partition in its place, sparse; for the virtual board and for cloning an eMMC."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from kiln.errors import ImageError
from kiln.image import identity, spans
from kiln.image.table import SECTOR, ends
from kiln.product import Product
from kiln.progress import Progress, silent
from kiln.results import Output, Partition
from kiln.run import run

LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
NAME = "emmc.img"


def _checked(rows: list[tuple[Partition, int]]) -> list[tuple[Partition, int]]:
    """Every image fits its partition, also the one that grows."""
    for row, end in rows:
        size, limit = row.image.stat().st_size if row.image else 0, (end - row.start + 1) * SECTOR
        if size > limit:
            raise ImageError(f"{row.image} has {size} bytes, its partition {row.name} only {limit}")
    return rows


def _table(product: Product, rows: list[tuple[Partition, int]], disk: Path, log: Path) -> None:
    options = ["-a", "1", "-U", identity.guid(product.name, "disk")]
    for number, (row, end) in enumerate(rows, 1):
        guid = row.guid or identity.guid(f"{product.name}/{row.name}", "partition")
        options += ["-n", f"{number}:{row.start}:{end}", "-t", f"{number}:{LINUX}", "-c", f"{number}:{row.name}", "-u", f"{number}:{guid}"]
        options += ["-A", f"{number}:set:2"] if "bootable" in row.flags else []
    run(["sgdisk", *options, disk], log=log)


def _verify(disk: Path, log: Path) -> None:
    said = run(["sgdisk", "-v", disk], log=log).text
    if "No problems found" not in said:
        raise ImageError("sgdisk finds problems in the table that it wrote", where=disk.name, hint=f"log: {log}")


def rows(disk: Path) -> tuple[Partition, ...]:
    """The partitions of a disk's primary table, as they lie there."""
    with disk.open("rb") as stream:
        stream.seek(SECTOR)
        head = stream.read(92)
        if head[:8] != b"EFI PART":
            raise ImageError("holds no GPT", where=disk)
        at, count, size = struct.unpack_from("<QII", head, 72)
        if size < 128 or count > 1024 or size > 4096:
            raise ImageError("holds a broken GPT", where=disk)
        stream.seek(at * SECTOR)
        raw = stream.read(count * size)
    made = []
    for start in range(0, len(raw) - 127, size):
        first, last = struct.unpack_from("<QQ", raw, start + 32)
        if raw[start:start + 16] != bytes(16):
            made.append(Partition(raw[start + 56:start + 128].decode("utf-16-le", "replace").rstrip("\0"), first, last - first + 1, None))
    return tuple(made)


def lay(product: Product, partitions: Sequence[Partition], file: Path, log: Path, tell: spans.Tell = spans.quiet) -> Path:
    """A disk of board.emmc bytes in a file that was not there: the table, and every image in its place."""
    rows = _checked(ends(partitions, product.board.emmc // SECTOR))
    with file.open("wb") as out:
        out.truncate(product.board.emmc // SECTOR * SECTOR)
    _table(product, rows, file, log)
    with file.open("r+b") as out:
        for row, _ in rows:
            if row.image:
                spans.place(row.image, out.fileno(), row.start * SECTOR, tell)
    _verify(file, log)
    return file


def pack(product: Product, partitions: Sequence[Partition], table: Path, into: Path, log: Path,
         progress: Progress = silent) -> tuple[Output, ...]:
    """One file of board.emmc bytes."""
    beside, file = into / f".{NAME}.tmp", into / NAME
    beside.unlink(missing_ok=True)
    with progress(2 * spans.weight(row.image for row in partitions if row.image), "pack gpt") as update:
        digest = spans.digest(lay(product, partitions, beside, log, update), update)
    spans.put(beside, file)
    return (Output(file, "gpt", file.stat().st_size, digest),)
