# SPDX-License-Identifier: Apache-2.0
"""RKFW, Rockchip's update.img: a loader and an RKAF in one file that ends in its MD5; what upgrade_tool and RKDevTool take whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from kiln.image import rockchip, spans
from kiln.image import table as tables
from kiln.image.formats import rkaf
from kiln.product import Product
from kiln.progress import Progress, silent
from kiln.results import Output, Partition

NAME = "update.img"
_CHECK = 4                             # bytes of the RKAF's checksum


def pack(product: Product, partitions: Sequence[Partition], table: Path, into: Path, log: Path,
         progress: Progress = silent) -> tuple[Output, ...]:
    """One file, written once: the RKAF is made in its place. Raises as rkaf does."""
    text, loader = tables.read(table).text, rockchip.loader(table)
    parts = rkaf.items(partitions, loader, text)
    head = rockchip.rkfw_head(text, product.image.epoch, loader, rockchip.layout(parts)[1] + _CHECK) + loader
    beside, file = into / f".{NAME}.tmp", into / NAME
    total, seal = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with beside.open("w+b") as out, progress(spans.weight(row.image for row in partitions if row.image), "pack rkfw") as update:
        out.write(head)
        out.flush()
        rkaf.write(out, len(head), text, parts, [total, seal], update)
        rkaf.append(out, seal.hexdigest().encode(), [total])
    spans.put(beside, file)
    return (Output(file, "rkfw", file.stat().st_size, total.hexdigest()),)
