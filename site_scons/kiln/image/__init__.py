# SPDX-License-Identifier: Apache-2.0
"""The image room: a base, what the product ships and a model in; partition images, their formats and a manifest out."""

from __future__ import annotations

import dataclasses
import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kiln import family, product as products, stamp
from kiln.errors import ImageError, Refused
from kiln.image import formats, inject, manifest, place, service, table, tools
from kiln.image.formats import directory
from kiln.image.formats import ext4 as fresh
from kiln.product import Product
from kiln.progress import Progress, silent
from kiln.results import LOADER, Artifact, Base, Images, Input, Output, Partition, Placement, Step

REVISION = 1


def bake(product: Product, base: Base, placement: Placement, *, inputs: Sequence[Input], steps: Sequence[Step],
         into: Path, scratch: Path, log: Path, key: str = "", progress: Progress = silent) -> Images:
    """Every partition image, packed in each of the product's formats into `into`, and manifest.json beside them.

    `scratch` keeps the finished partitions, each with its stamp, so an interrupted run repeats one of them at most.
    """
    if product.image.epoch < 1:
        raise Refused("image.epoch must be at least 1", where="image.epoch", hint="0 means `now` to e2fsprogs")
    tools.check()
    with _full(scratch.parent):
        items = (*placement.items, *service.generated(product, placement, inputs, _vendor(base), scratch / "service"))
        rows = tuple(_partition(product, row, base, items, scratch, log, progress) for row in placement.partitions)
        parameter = service.parameter(product, base, placement, scratch / "parameter.txt")
        _beside(base, parameter, placement.model)
        into.mkdir(parents=True, exist_ok=True)
        outputs = _once([output for name in product.image.formats
                         for output in family.load(formats, name).pack(product, rows, parameter, into, log, progress)])
        _tidy(into, outputs)
        key = key or stamp.key(REVISION, base.key, products.canonical(product.image), [[item.dest, item.sha256] for item in items])
        every = (*steps, *([] if any(one.step == "image" for one in steps) else [Step("image", key, REVISION)]))
        return Images(outputs, manifest.write(product, base, inputs, every, outputs, items, into.parent), key)


@contextmanager
def _full(folder: Path) -> Iterator[None]:
    """A disk or quota that is full is nobody's bug."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise ImageError(f"cannot be written: {error.strerror}", where=error.filename or folder,
                         hint="make room and run again: finished parts are kept") from error


def _beside(base: Base, parameter: Path, model: str) -> None:
    """Lay the base's loader beside the table, where the formats look for it; and RKDevTool's list, unless the table has a row that it lacks."""
    same = model != place.MODEL or any(row.name == place.MODEL for row in base.partitions)
    for name in directory.BESIDE:
        theirs, mine = base.parameter.with_name(name), parameter.with_name(name)
        mine.unlink(missing_ok=True)
        if theirs.is_file() and (name == LOADER or same):
            shutil.copyfile(theirs, mine)


def _once(outputs: Sequence[Output]) -> tuple[Output, ...]:
    """Each file once: directory and sparse share the table and the loader."""
    return tuple(one for at, one in enumerate(outputs) if one.file not in {other.file for other in outputs[:at]})


def _tidy(into: Path, outputs: Sequence[Output]) -> None:
    """Take away images that an earlier run left there, whole or half, and that this product does not give."""
    kept = {one.file for one in outputs}
    for file in into.iterdir():
        ours = file.suffix in (".img", ".tmp") or file.name in ("parameter.txt", *directory.BESIDE)
        if ours and file not in kept:
            file.unlink()


def _partition(product: Product, row: Partition, base: Base, items: Sequence[Artifact], scratch: Path, log: Path,
               progress: Progress) -> Partition:
    """The row with its finished image: injected into, made anew, or the base's own."""
    mine = [item for item in items if place.partition_of(item.dest) == row.name]
    if not mine:
        return row
    folder, mount, limit = scratch / row.name, place.MOUNTS[row.name], row.size * table.SECTOR
    file, epoch = folder / f"{row.name}.img", product.image.epoch
    key = stamp.key(REVISION, base.key, row.name, limit, epoch, product.name, [dataclasses.astuple(item)[1:] for item in mine])
    if not stamp.made(folder, key):
        stamp.unmake(folder)
        if row.image:
            inject.inject(row.image, file, mine, mount=mount, limit=limit, epoch=epoch, log=log, progress=progress)
        else:
            fresh.make(mine, file, mount=mount, limit=limit, who=f"{product.name}/{row.name}", epoch=epoch, log=log,
                       progress=progress)
        stamp.make(folder, key, [file])
    return dataclasses.replace(row, image=file)


def _vendor(base: Base) -> Path:
    image = next((row.image for row in base.partitions if row.name == "vendor"), None)
    if image is None:
        raise ImageError("the base has no image of partition vendor")
    return image
