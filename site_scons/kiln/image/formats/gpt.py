# SPDX-License-Identifier: Apache-2.0
"""A whole disk: GPT and every partition in its place, sparse; for the virtual board and for cloning an eMMC."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kiln.errors import ImageError, Refused
from kiln.image import identity, spans
from kiln.image.table import SECTOR
from kiln.product import Product
from kiln.results import Output, Partition
from kiln.run import run

LAST = 34                              # sectors that the backup table takes at the end, and one
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
NAME = "emmc.img"


def _ends(partitions: Sequence[Partition], sectors: int) -> list[tuple[Partition, int]]:
    """Each row with its last sector. Raises Refused for a table or an image that the disk does not hold."""
    rows = [(row, row.start + row.size - 1 if row.size else sectors - LAST) for row in partitions]
    for row, end in rows:
        if not LAST <= row.start <= end <= sectors - LAST:
            raise Refused(f"partition {row.name} ends at sector {end}, the disk of {sectors} sectors has {sectors - LAST}",
                          where="board.emmc", hint="board.emmc must hold the table of the base")
        if row.image and row.image.stat().st_size > (end - row.start + 1) * SECTOR:
            raise ImageError(f"has {row.image.stat().st_size} bytes, its partition {(end - row.start + 1) * SECTOR}", where=row.image.name)
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


def pack(product: Product, partitions: Sequence[Partition], table: Path, into: Path, log: Path) -> tuple[Output, ...]:
    """One file of board.emmc bytes."""
    beside, file = into / f".{NAME}.tmp", into / NAME
    beside.unlink(missing_ok=True)
    rows = _ends(partitions, product.board.emmc // SECTOR)
    with beside.open("wb") as out:
        out.truncate(product.board.emmc // SECTOR * SECTOR)
    _table(product, rows, beside, log)
    with beside.open("r+b") as out:
        for row, _ in rows:
            if row.image:
                spans.place(row.image, out.fileno(), row.start * SECTOR)
    _verify(beside, log)
    beside.replace(file)
    return (Output(file, "gpt", file.stat().st_size, spans.digest(file)),)
