# SPDX-License-Identifier: Apache-2.0
"""The gate behind a finished image: read back from its bytes, it holds what was placed, and a board could start the service.

Asked of the images alone, not of how they were made, so a fault is named before a board is switched on. What is asked,
in the order in which it would stop the board: the table, the mounts, the service, each file's inode, what programs
need of each other, and the bytes.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kiln.errors import ImageError, KilnError, one_line
from kiln.image import ext4, loading, service, table
from kiln.image.formats import gpt
from kiln.image.place import MODEL, MOUNTS
from kiln.image.tree import File, Tree
from kiln.product import Product
from kiln.results import Images, Partition

_IMPORTS = 32


def check(product: Product, images: Images) -> str:
    """Raises ImageError naming the first fault; gives a line of what was looked at."""
    if not any(one.format in ("directory", "gpt") for one in images.outputs):
        return "not read back: image.formats holds neither directory nor gpt"
    made = json.loads(images.manifest.read_text())
    rows = _table(images)
    placed: list[Mapping[str, Any]] = made["files"]
    parts = _parts(images, rows, {"system", "vendor", *(one["partition"] for one in placed)})
    for name in sorted({one["partition"] for one in placed} - set(parts)):
        raise ImageError(f"has no partition {name}, in which {sum(one['partition'] == name for one in placed)} files of the build lie", where="parameter.txt")
    with Tree(parts) as tree:
        _mounts(tree, product, {row.name for row in rows})
        uid, gids = _service(tree, product)
        found = [_inode(tree, one) for one in placed]
        programs = loading.Programs(tree, product.board.abi)
        for file in found:
            if _may_run(file):
                _usable(tree, file.path, uid, gids, 4, f"service {product.service.name} may need")
                programs.check(file)
        for file, one in zip(found, placed, strict=True):
            if file.digest != one["sha256"]:
                raise _at(file, "does not hold the bytes that were placed there: its sha256 is another", "something changed the image: build it again")
    return f"{len(placed)} files in {len(parts)} partitions are as they were placed, {len(programs.checked)} programs and libraries find what they need"


def _table(images: Images) -> tuple[Partition, ...]:
    """The rows of parameter.txt; that of a whole disk must say the same."""
    text = next((one.file for one in images.outputs if one.file.name == "parameter.txt"), None)
    disk = next((one.file for one in images.outputs if one.format == "gpt"), None)
    listed = table.read(text).rows if text else None
    there = gpt.rows(disk) if disk else None
    if listed and there:
        for row in listed:
            if (row.name, row.start) not in {(one.name, one.start) for one in there}:
                raise ImageError(f"has no partition {row.name} at sector {row.start:#x}, as parameter.txt has", where=disk or "")
        for one in there:
            if one.name not in {row.name for row in listed}:
                raise ImageError(f"has no partition {one.name}, as {disk.name if disk else ''} has", where="parameter.txt")
    return tuple(listed or there or ())


def _parts(images: Images, rows: Sequence[Partition], needed: Collection[str]) -> dict[str, tuple[Path, int]]:
    """Where each file system begins: in the whole disk, which boots, else in the folder of images. Each fits its partition.

    One that holds nothing of ours may be empty: not every base has an image of sys-prod and chip-prod.
    """
    disk = next((one.file for one in images.outputs if one.format == "gpt"), None)
    single = {one.partition: one.file for one in images.outputs if one.format == "directory" and one.partition}
    made: dict[str, tuple[Path, int]] = {}
    for row in rows:
        image = single.get(row.name)
        if image and row.size and image.stat().st_size > row.size * table.SECTOR:
            raise ImageError(f"has {image.stat().st_size} bytes, its partition {row.name} only {row.size * table.SECTOR}", where=image,
                             hint="it would run into the next partition")
        held = (disk, row.start * table.SECTOR) if disk else (image, 0) if image else None
        if row.name in MOUNTS and held and (row.name in needed or image):
            made[row.name] = held
            size = ext4.superblock(*held).size
            if row.size and size > row.size * table.SECTOR:
                raise ImageError(f"partition {row.name} has {row.size * table.SECTOR} bytes, its file system {size}", where=held[0])
    return made


def _mounts(tree: Tree, product: Product, names: set[str]) -> None:
    """fstab mounts what the service needs, from partitions that the table has."""
    path = f"/vendor/etc/fstab.{product.system.name}"
    rows = [line.split() for line in _text(tree, path).splitlines() if line.strip() and not line.startswith("#")]
    for row in rows:
        name = row[0].rpartition("/by-name/")[2]
        needed = len(row) > 1 and (row[1] in ("/vendor", "/usr", MOUNTS[MODEL]) or "required" in row[-1].split(","))
        if needed and "/by-name/" in row[0] and name not in names:
            raise ImageError(f"mounts partition {one_line(name, 40)} on {one_line(row[1], 40)}, which the table does not have", where=path)
    if MODEL in tree.readers and not any(len(row) > 1 and row[1] == MOUNTS[MODEL] for row in rows):
        raise ImageError(f"does not mount partition {MODEL} on {MOUNTS[MODEL]}", where=path)


def _service(tree: Tree, product: Product) -> tuple[int, list[int]]:
    """init reads kiln.cfg, takes the service that it holds, and may start its program, which may read its model. Gives its user."""
    first = f"/vendor/etc/init.{product.system.name}.cfg"
    if service.CFG not in _imported(tree, first):
        raise ImageError(f"imports no {service.CFG}: init would not know service {product.service.name}", where=first)
    made = _json(tree, service.CFG)
    try:
        service.limited(made)
        started = next(one for one in made["services"] if one["name"] == product.service.name)
        path, uid, gids = started["path"][0], int(started["uid"]), [int(one) for one in started["gid"]]
        settings = {item["name"]: item["value"] for item in started["env"]}
    except KilnError as error:
        raise ImageError(f"init drops service {product.service.name}: {error}", where=service.CFG) from error
    except (KeyError, TypeError, ValueError, StopIteration, IndexError) as error:
        raise ImageError(f"holds no service {product.service.name} that init would take", where=service.CFG) from error
    _usable(tree, path, uid, gids, 1, f"service {product.service.name} starts")
    _usable(tree, settings.get("LLAMA_ARG_MODEL", ""), uid, gids, 4, f"service {product.service.name} loads")
    return uid, gids


def _usable(tree: Tree, path: str, uid: int, gids: Sequence[int], bit: int, what: str) -> None:
    """A plain file that this user may execute (1) or read (4); also the folders on the way (all root's or the group's)."""
    found = tree.find(path)
    if found is None or not found.stat.regular:
        raise ImageError(f"{what} {one_line(path, 200)}, which is {'no plain file' if found else 'not there'}", where=service.CFG)
    for one, wanted in ((found, bit), *((folder, 1) for folder in _folders(tree, found.path))):
        if not one.stat.mode >> (6 if one.stat.uid == uid else 3 if one.stat.gid in gids else 0) & wanted:
            verb = "enter" if one.stat.folder else "execute" if wanted == 1 else "read"
            raise ImageError(f"{what} {path}; its user {uid} may not {verb} {one.path}: mode {one.stat.mode & 0o7777:04o}, "
                             f"owner {one.stat.uid}:{one.stat.gid}", where=service.CFG)


def _folders(tree: Tree, path: str) -> Iterator[File]:
    while path != "/":
        path = posixpath.dirname(path)
        if found := tree.find(path):
            yield found


def _inode(tree: Tree, one: Mapping[str, Any]) -> File:
    """The file, with the mode, owner, label and size that it was given."""
    found = tree.find(one["path"])
    if found is None or found.path != one["path"] or not found.stat.regular:
        raise ImageError(f"has no file {one['path']}" if found is None else f"{one['path']} is no plain file", where=_name(tree, one["partition"]))
    mode, label = f"{found.stat.mode & 0o7777:04o}", found.label
    if mode != one["mode"]:
        raise _at(found, f"has mode {mode} instead of {one['mode']}")
    if (found.stat.uid, found.stat.gid) != (one["uid"], one["gid"]):
        raise _at(found, f"belongs to {found.stat.uid}:{found.stat.gid} instead of {one['uid']}:{one['gid']}")
    if one["label"] and not label:
        raise _at(found, f"has no SELinux label instead of {one['label']}", "enforcing policy denies it to every confined domain")
    if label and not label.endswith(b"\0"):
        raise _at(found, "has a SELinux label without the NUL at its end", "OpenHarmony's packaging writes it, and its tools expect it")
    if label and label[:-1] != one["label"].encode():
        raise _at(found, f"has the SELinux label {one_line(label[:-1].decode('ascii', 'replace'), 80)} instead of {one['label']}")
    if found.stat.size != one["size"]:
        raise _at(found, f"has {found.stat.size} bytes instead of {one['size']}")
    return found


def _may_run(file: File) -> bool:
    return file.stat.mode & 0o111 != 0 or ".so" in file.path.rsplit("/", 1)[1]


def _imported(tree: Tree, first: str) -> set[str]:
    """Every cfg that init reads from `first` on, as far as it names them plainly."""
    seen: set[str] = set()
    waiting = [first]
    while waiting and len(seen) < _IMPORTS:
        path = waiting.pop(0)
        if path not in seen and path != service.CFG:
            try:
                found = _json(tree, path).get("import", [])
            except ImageError:
                if path == first:      # any other is the base's own, and so is what may be odd about it
                    raise
                found = []
            waiting += [one for one in found if isinstance(one, str) and one.startswith("/")] if isinstance(found, list) else []
        seen.add(path)
    return seen


def _json(tree: Tree, path: str) -> dict[str, Any]:
    try:
        made = json.loads(_text(tree, path))
    except (ValueError, RecursionError) as error:
        raise ImageError(f"is not JSON: {one_line(str(error), 120)}; init would read nothing of it", where=path) from error
    if not isinstance(made, dict):
        raise ImageError("is no init configuration", where=path)
    return made


def _text(tree: Tree, path: str) -> str:
    found = tree.find(path)
    if found is None or not found.stat.regular:
        raise ImageError(f"has no {path}", where=_name(tree, "vendor"))
    return found.content(1 << 20).decode("utf-8", "replace")


def _name(tree: Tree, partition: str) -> str:
    reader = tree.readers.get(partition)
    return f"{reader.image.name}, partition {partition}" if reader else f"partition {partition}"


def _at(file: File, what: str, hint: str = "") -> ImageError:
    return ImageError(what, where=f"{file.reader.image.name}, partition {file.partition}: {file.path}", hint=hint)
