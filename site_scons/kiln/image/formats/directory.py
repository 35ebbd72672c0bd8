# SPDX-License-Identifier: Apache-2.0
"""A folder of partition images with parameter.txt: what rkdeveloptool, RKDevTool and Kiln's own flash take."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kiln.image import spans
from kiln.image.table import SECTOR
from kiln.product import Product
from kiln.progress import Progress, silent
from kiln.results import LOADER, Output, Partition

# Windows' RKDevTool reads config.cfg: which file goes to which sector.
BESIDE = (LOADER, "config.cfg")


def image_name(partition: str) -> str:
    """The file name of a partition's image: OpenHarmony writes `_` where the table has `-`."""
    return partition.replace("-", "_") + ".img"


def put(source: Path, into: Path, own: bool, tell: spans.Tell) -> Path:
    """The file under its final name: a second link to what this build made, read-only; a sparse copy of what it did not."""
    beside = into.with_name(f".{into.name}.tmp")
    beside.unlink(missing_ok=True)
    if into.exists() and into.samefile(source):
        return into                    # rename(2) of two names of one file does nothing and leaves both
    if own and source.stat().st_dev == into.parent.stat().st_dev:
        source.chmod(0o444)
        os.link(source, beside)
    else:
        spans.copy(source, beside, tell)
    return spans.put(beside, into)


def pack(product: Product, partitions: Sequence[Partition], table: Path, into: Path, log: Path,
         progress: Progress = silent) -> tuple[Output, ...]:
    """Every partition that has an image, the table, and the loader: without it no board is brought from Maskrom to a new table."""
    outputs = []
    images = [row.image for row in partitions if row.image]
    with progress(2 * spans.weight(images), "pack directory") as update:
        for row in partitions:
            if row.image:
                file = put(row.image, into / image_name(row.name), row.image.is_relative_to(table.parent), update)
                outputs.append(Output(file, "directory", file.stat().st_size, spans.digest(file, update), row.name, row.start * SECTOR))
    return (*outputs, *with_table(table, into, "directory"))


def with_table(table: Path, into: Path, form: str) -> list[Output]:
    """The table, and what of BESIDE lies beside it: they are flashed from a folder, or with it."""
    made = [put(file, into / file.name, False, spans.quiet) for file in (table, *map(table.with_name, BESIDE)) if file.is_file()]
    return [Output(file, form, file.stat().st_size, spans.digest(file)) for file in made]
