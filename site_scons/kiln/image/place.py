# SPDX-License-Identifier: Apache-2.0
"""What goes where: the files of every target, and the model, in vendor while it fits, else in a partition of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from kiln.errors import Refused
from kiln.footprint import Budget
from kiln.image import ext4, identity, owners
from kiln.image.formats import ext4 as fresh
from kiln.image.table import SECTOR, Table, add, ends, hole, read
from kiln.product import Product
from kiln.results import Artifact, Base, Gguf, Partition, Placement

MODEL = "model"
# Where each partition that we write into is mounted on the board; the root file system comes last.
MOUNTS = {"vendor": "/vendor", "sys-prod": "/sys_prod", "chip-prod": "/chip_prod", MODEL: "/mnt/model", "system": ""}
FILES = {"vendor": "/vendor/models/model.gguf", MODEL: "/mnt/model/model.gguf"}
ROOT_ONLY = "u:r:su:s0"                # of root builds: permissive, and init may enter it
_SPARE = 1 << 20                       # for folders, the service's files and tables of grown groups: at least this


def room(table: Table, product: Product, model_bytes: int = 0, *, used: int = 0) -> int:
    """The bytes of the largest model that the product's place for it holds; needs nothing but the table and sizes.

    Where the product leaves the place open, a model that is not known yet may take the larger one. `used` is what vendor
    holds otherwise, base and binaries, 0 while that is unknown. Raises Refused with the numbers if `model_bytes` do not fit.
    """
    found = _where(table, product, model_bytes, used)[1]
    return found if model_bytes or product.image.model_in != "auto" else max(found, _in_hole(table))


def _where(table: Table, product: Product, model_bytes: int, used: int) -> tuple[str, int]:
    """The partition for the model and its room."""
    ends(table.rows, product.board.emmc // SECTOR)
    rooms = {"vendor": _in_vendor(table, used), MODEL: _in_hole(table)}
    wanted: str = product.image.model_in
    if wanted == "auto":
        wanted = "vendor" if model_bytes <= rooms["vendor"] else MODEL
    if model_bytes <= rooms[wanted]:
        return wanted, rooms[wanted]
    other = next(name for name in rooms if name != wanted)
    raise Refused(f"the model has {_size(model_bytes)}; " + "; ".join(_said(name, rooms[name], table, used) for name in (wanted, other)),
                  where="image.model_in", hint=f"set image.model_in: {other}" if model_bytes <= rooms[other] else "take a smaller model or recipe")


def _said(name: str, room: int, table: Table, used: int) -> str:
    row = table.row(name)
    if name == "vendor":
        whole = row.size * SECTOR if row else 0
        return f"vendor has room for {_size(room)} (a partition of {_size(whole)}, {_size(used)} of it in use)"
    start, size = (row.start, row.size) if row else hole(table)
    return f"a model partition has room for {_size(room)} ({_size(size * SECTOR)} at sector {start:#x})"


def _in_vendor(table: Table, used: int) -> int:
    row = table.row("vendor")
    free = (row.size * SECTOR if row else 0) - used
    return max(0, free - free // 50 - _SPARE)    # two in a hundred: inode tables of 16 KiB a file take 1.6


def _in_hole(table: Table) -> int:
    row = table.row(MODEL)
    return fresh.room_in((row.size if row else hole(table)[1]) * SECTOR)


def place(product: Product, base: Base, artifacts: Sequence[Artifact], gguf: Gguf, budget: Budget) -> Placement:
    """Every file with its place, and the table with a model partition if that is where the model goes."""
    table, artifacts = read(base.parameter), (*artifacts, *base.items)
    _known(artifacts, base)
    runs(product, base)
    where, _ = _where(table, product, gguf.size, _used(base, artifacts))
    file = FILES[where]
    model = Artifact(gguf.file, file, *owners.file(file), f"model {gguf.name} {gguf.recipe}", gguf.sha256, gguf.size)
    rows = _with_images(table_for(product, table, where), base)
    items = [item if item.label else dataclasses.replace(item, label=owners.file(item.dest).label) for item in artifacts]
    return Placement(tuple(sorted((*items, model), key=lambda item: item.dest)), rows, where, file, budget)


def table_for(product: Product, table: Table, where: str) -> Table:
    """The table, with a model partition over the whole hole if the model goes there and none is there yet.

    The whole: a larger model later then needs no new table, which only a board in maskrom mode takes.
    """
    if where != MODEL or table.row(MODEL):
        return table
    start, size = hole(table)
    return add(table, Partition(MODEL, start, size, None, identity.guid(f"{product.name}/{MODEL}", "partition")))


def partition_of(dest: str) -> str:
    """The partition that holds a path of the board."""
    return next(name for name, mount in MOUNTS.items() if dest.startswith(mount + "/"))


def runs(product: Product, base: Base) -> None:
    """Raise Refused for what the base's userland could not run or start."""
    libraries = {"lib64" if "/lib64/" in item.dest else "lib" for item in base.items if item.dest.startswith("/system/lib")}
    own = "lib" if base.abi == "armeabi-v7a" else "lib64"
    if libraries - {own}:
        raise Refused(f"the tree's libraries go to {', '.join(sorted(libraries))}, the base has a userland of {base.abi}", where="base",
                      hint="build the tree for the base's processor, or take a base of the tree's: targets: [images]")
    if base.variant == "user" and product.service.secon == ROOT_ONLY:
        raise Refused(f"the base is a user build, which has no domain {ROOT_ONLY}: init could not start the service", where="service.secon",
                      hint="name a domain of its policy that init may enter, or take a root build (the default)")


def _known(artifacts: Sequence[Artifact], base: Base) -> None:
    there = {row.name for row in base.partitions if row.image}
    for item in artifacts:
        if not item.dest.startswith("/") or partition_of(item.dest) not in there:
            raise Refused(f"{item.dest or item.file.name!r} goes to no partition that the base has an image of", where=item.origin)


def _used(base: Base, artifacts: Sequence[Artifact]) -> int:
    image = next((row.image for row in base.partitions if row.name == "vendor"), None)
    sb = ext4.superblock(image) if image else None
    mine = sum(-(-item.size // 4096) * 4096 for item in artifacts if item.dest.startswith("/vendor/"))
    return (sb.size - sb.free * sb.block if sb else 0) + mine


def _with_images(table: Table, base: Base) -> tuple[Partition, ...]:
    images = {row.name: row.image for row in base.partitions}
    return tuple(Partition(row.name, row.start, row.size, images.get(row.name), row.guid, row.flags) for row in table.rows)


def _size(count: int) -> str:
    """Bytes as a person reads them, exact where it matters."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:.4g} {name} ({count} bytes)"
    return f"{count} bytes"
