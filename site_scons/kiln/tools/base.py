# SPDX-License-Identifier: Apache-2.0
"""Base: the partition images that Kiln injects into, from base=DIR, the tree that was built, or the product's pinned archive."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import product as products
from kiln import results, stamp
from kiln.errors import Refused
from kiln.product import Product
from kiln.progress import amount, bar
from kiln.system import preflight
from kiln.tools import boundary, ohos, outside
from kiln.tools.settings import Settings

REVISION = 2
TABLE = "parameter.txt"
_told: list[Path] = []                 # bases of which this run has told


def base(env: Any, product: Product, system: Any) -> Any:
    """The node of the Base. `system` is the node of a tree's build, or None if none was asked for."""
    settings: Settings = env["KILN_SETTINGS"]
    folder = settings.build / product.name / "base"
    given = settings.base
    whole = system is not None and preflight.whole(ohos.targets(product))
    archive = None if given or whole or not product.base.pin else env.PinnedSource(product.base.pin)
    with boundary.reading():
        state = identity(given) if given else ""

    def make(key: str) -> Sequence[Path]:
        from kiln.image import base as room

        built = outside.result(env, results.SystemBuilt, system) if system else None
        expanded, items = folder / "images", built.items if built else ()
        if given:
            found = room.read(given, key="not known yet", expanded=expanded, progress=bar)
            suits(product, found, env["KILN_MODEL"])    # before 4 GB are hashed
            size = sum(row.image.stat().st_size for row in found.partitions if row.image)
            found = dataclasses.replace(found, key=room.digest(found.partitions, found.parameter))
            entry = results.Input("base", "path", found.version, found.key, size, "", pinned=False)
            found = _with(found, (entry, *(built.inputs if built else ())), items)
        elif built and built.images:
            # The libraries are in these images already.
            found = room.read(built.images, key=built.key, inputs=built.inputs, sandbox=built.sandbox, version=built.version, expanded=expanded)
        else:
            tree = outside.result(env, results.Tree, archive)
            entries = (tree.input, *(built.inputs if built else ()))
            found = _with(room.read(where(tree.root), key=tree.identity, expanded=expanded, progress=bar), entries, items)
        suits(product, found, env["KILN_MODEL"])
        results.save(found, folder)
        sys.stdout.write("".join(f"{line}\n" for line in told(product, folder)))
        return [part.image for part in found.partitions if part.image and part.image.is_relative_to(folder)]

    def inputs() -> Sequence[str]:
        built = outside.result(env, results.SystemBuilt, system) if system else None
        # A commit more may give the same bytes, and is another input all the same.
        return (*((built.key, products.canonical(built.inputs)) if built else ()),
                *((outside.result(env, results.Tree, archive).identity,) if archive else ()))

    what = f"images of {given}" if given else f"images of {product.base.pin}" if archive else "the images that build.sh made"
    step = outside.Step("base", what, folder, make, inputs, (str(REVISION), state))
    return outside.node(env, step, [one for one in (system, archive) if one])


def suits(product: Product, found: results.Base, model: Path | None) -> None:
    """What can be refused as soon as the base is known, before anything is compiled for it. Raises Refused or ImageError."""
    from kiln.image import ext4, place, rockchip, table
    from kiln.model import budget, gguf

    place.runs(product, found)
    if {"rkaf", "rkfw"} & set(product.image.formats):
        rockchip.loader(found.parameter)
    if model:
        vendor = next(row.image for row in found.partitions if row.name == "vendor")
        assert vendor
        sb = ext4.superblock(vendor)
        budget.check(gguf.header(model), product, place.room(table.read(found.parameter), product, used=sb.size - sb.free * sb.block))


def told(product: Product, folder: Path) -> list[str]:
    """What the base in `folder` is and what that decides, for a person: once a run, at the step that made it or at the end."""
    if folder in _told:
        return []
    _told.append(folder)
    found = results.load(results.Base, folder / results.NAME)
    facts = [found.version or "OpenHarmony of an unknown version", f"userland {found.abi}", f"{found.variant or 'unknown'} build",
             f"SELinux {found.selinux or 'unknown'}"]
    rooms = [f"{one.partition} {amount(one.free)} and {one.free_inodes} inodes" for one in found.file_systems]
    decided = [f"{name} is {linkage}: {why}" for name, native in product.native.items() if native.pin
               for linkage, why in [product.linked(native, found.abi)]]
    return [f"{'base':10} {line}" for line in (", ".join(facts), f"free: {', '.join(rooms)}", *decided)]


def _with(found: results.Base, inputs: Sequence[results.Input], items: Sequence[results.Artifact]) -> results.Base:
    key = stamp.key(found.key, [item.sha256 for item in items])
    return dataclasses.replace(found, inputs=tuple(inputs), items=tuple(items), key=key)


def identity(folder: Path) -> str:
    """What enters the key for a folder that a person gave: each file by name, size, times and inode. Raises Refused for no base."""
    if not (folder / TABLE).is_file():
        raise Refused(f"has no {TABLE}", where=folder, hint="base=DIR is a folder of partition images as a tree's packages/phone/images")
    rows = []
    for file in sorted(folder.iterdir()):
        if file.is_file():
            seen = file.stat()
            rows.append([file.name, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino])
    return stamp.key(str(folder), rows)


def where(root: Path) -> Path:
    """The folder with the table in an unpacked archive. Raises Refused if there is none, or more than one."""
    found = sorted(root.rglob(TABLE))
    if len(found) != 1:
        raise Refused(f"holds {len(found)} {TABLE}", where=root, hint="a base archive has one folder of partition images")
    return found[0].parent
