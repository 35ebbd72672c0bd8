# SPDX-License-Identifier: Apache-2.0
"""Files into an existing ext4 image, everything else left as it was: the same bytes each time, no root, no mount.

debugfs makes the folders, the inodes and their extents; the data is copied by us into those extents, since debugfs
itself copies 1 GiB in nine seconds where cp takes one. What lies there afterwards is checked inode by inode.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kiln.errors import ImageError
from kiln.image import debugfs, ext4, files, grow, owners, proof, spans
from kiln.progress import Progress, silent
from kiln.results import Artifact


COMPARED = 16 << 20                    # larger files are written without a look whether they are there


@dataclass(frozen=True)
class Plan:
    """What is to be written: folders to make, files with their path inside the image, inodes that may change."""

    folders: tuple[str, ...]
    items: tuple[tuple[str, Artifact], ...]
    replaced: tuple[str, ...]
    touched: tuple[int, ...]


def inject(image: Path, into: Path, items: Sequence[Artifact], *, mount: str, limit: int, epoch: int,
           log: Path | None = None, progress: Progress = silent) -> tuple[str, ...]:
    """Write `items` into a copy of `image`, grown if needed up to `limit` bytes. Gives the board paths that were replaced.

    `mount` is where the image is mounted on the board ("" for the root). Raises ImageError if the image is damaged,
    too small, or if anything else in it would change.
    """
    work = into.with_name(f".{into.name}.work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        plan = _write(image, work / into.name, items, mount, limit, epoch, log, progress)
        proof.unchanged(image, work / into.name, plan.touched)
        spans.put(work / into.name, into)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return tuple(mount + path for path in plan.replaced)


def _write(image: Path, fresh: Path, items: Sequence[Artifact], mount: str, limit: int, epoch: int, log: Path | None,
           progress: Progress) -> Plan:
    debugfs.check(image, log)
    spans.copy(image, fresh)
    plan = _plan(fresh, items, mount)
    grow.to_hold(fresh, _blocks(fresh, plan), len(plan.items) + len(plan.folders), limit, epoch, log)
    _allocate(fresh, plan, mount, fresh.parent, epoch, log)
    _settle(fresh, plan, fresh.parent, epoch, log)
    debugfs.check(fresh, log)          # before the data, which it does not read but would flush to the disk
    _compare(fresh, plan)
    with progress(sum(item.size for _, item in plan.items), f"write {fresh.name}") as update:
        _fill(fresh, plan, update)
    return plan


def _plan(image: Path, items: Sequence[Artifact], mount: str) -> Plan:
    """Look at what is there: which folders lack, which files are replaced, which inodes will change."""
    wanted = _lacking(image, _sorted(items, mount, image))
    parents = {str(parent) for path in wanted for parent in PurePosixPath(path).parents}
    both = next((path for path in wanted if path in parents), None)
    if both:
        raise ImageError(f"{wanted[both].dest} is to be a file and a folder", where=image.name)
    with ext4.Reader(image) as reader:
        there = {path: files.find(reader, path) for path in (*parents, *wanted)}
    for path, found in there.items():
        if found and not (found.folder if path in parents else found.regular):
            raise ImageError(f"{mount}{path} is no {'folder' if path in parents else 'plain file'} in the base", where=image.name,
                             hint="links are not followed: name the file itself")
    folders = sorted(path for path in parents if there[path] is None)
    replaced = [path for path in wanted if there[path]]
    changed = {str(PurePosixPath(path).parent) for path in (*folders, *wanted)} | set(replaced)
    touched = sorted(found.inode for path in changed if (found := there[path]))
    return Plan(tuple(folders), tuple(wanted.items()), tuple(replaced), tuple(touched))


def _lacking(image: Path, wanted: dict[str, Artifact]) -> dict[str, Artifact]:
    """What is not there yet just so: a library that the base's own build has put there already is left alone."""
    with ext4.Reader(image) as reader:
        return {path: item for path, item in wanted.items() if not _there(reader, path, item)}


def _there(reader: ext4.Reader, path: str, item: Artifact) -> bool:
    found = files.find(reader, path)
    return (found is not None and (found.mode, found.uid, found.gid, found.size) == (0o100000 | item.mode, item.uid, item.gid, item.size)
            and debugfs.label(reader.image, path, reader.image.parent) == item.label
            and item.size <= COMPARED and files.text(reader, path) == item.file.read_bytes())


def _sorted(items: Sequence[Artifact], mount: str, image: Path) -> dict[str, Artifact]:
    """Path inside the image to what goes there, sorted: the order decides which inodes and blocks are taken."""
    made: dict[str, Artifact] = {}
    for item in sorted(items, key=lambda item: item.dest):
        path = debugfs.checked(_inside(item, mount))
        if path in made:
            raise ImageError(f"{item.dest} is to be written twice, by {made[path].origin} and {item.origin}", where=image.name)
        made[path] = item
    return made


def _inside(item: Artifact, mount: str) -> str:
    if not item.dest.startswith(mount + "/"):
        raise ImageError(f"{item.dest} does not lie below {mount or '/'}", hint="this is a bug of the placement")
    return item.dest[len(mount):]


def _blocks(image: Path, plan: Plan) -> int:
    """Blocks that the plan takes at most: the data, an extent tree block per 128 MiB of a file, one per folder and entry."""
    block = ext4.superblock(image).block
    data = sum(-(-item.size // block) + item.size // (4 * 32767 * block) + 1 for _, item in plan.items)
    return data + 2 * len(plan.folders) + len(plan.items) // 16 + 8


def _allocate(image: Path, plan: Plan, mount: str, work: Path, epoch: int, log: Path | None) -> None:
    """Folders, empty files with their final size, mode, owner and label, and extents that hold no data yet."""
    labels: dict[str, str] = {}
    lines: list[str] = [f"rm {path}" for path in plan.replaced]
    for path in plan.folders:
        lines += [*_at(path, "mkdir {}"), *_owned(path, 0o040000, owners.folder(mount + path), labels)]
    block = ext4.superblock(image).block
    for path, item in plan.items:
        lines += _at(path, "write /dev/null {}")
        if item.size:
            lines += [f"fallocate {path} 0 {-(-item.size // block) - 1}", f"sif {path} size {item.size}"]
        lines += _owned(path, 0o100000, owners.Owner(item.mode, item.uid, item.gid, item.label), labels)
    for label, name in labels.items():
        (work / name).write_bytes(label.encode("ascii") + b"\0")   # e2fsdroid writes the NUL too, and policy tools expect it
    debugfs.write(image, lines, folder=work, epoch=epoch, log=log)


def _at(path: str, command: str) -> list[str]:
    """debugfs makes new names in its current folder only; `mkdir /x` after a `cd` lands in that folder."""
    folder, name = path.rsplit("/", 1)
    return [f"cd {folder or '/'}", command.format(name)]


def _owned(path: str, kind: int, owner: owners.Owner, labels: dict[str, str]) -> list[str]:
    lines = [f"sif {path} mode 0{kind | owner.mode:o}", f"sif {path} uid {owner.uid}", f"sif {path} gid {owner.gid}"]
    if owner.label:
        name = labels.setdefault(owner.label, f"label{len(labels)}")
        lines.append(f"ea_set -f {name} {path} {debugfs.LABEL}")
    return lines


def _settle(image: Path, plan: Plan, work: Path, epoch: int, log: Path | None) -> None:
    """Turn "allocated, holds nothing" into "holds data" for every new extent; forget how much was ever written.

    That counter is all in which e2fsprogs of two versions differ here.
    """
    lines: list[str] = []
    for path, extents in _new_extents(image, plan):
        empty = [extent for extent in extents if not extent.written]
        if empty:
            lines += [f"extent_open {path}", "root_node"]
        for extent in empty:
            lines += [f"goto_block {extent.logical}", f"replace_node {extent.logical} {extent.length} {extent.physical}"]
        lines += ["extent_close"] if empty else []
    debugfs.write(image, [*lines, "set_super_value kbytes_written 0"], folder=work, epoch=epoch, log=log)


def _new_extents(image: Path, plan: Plan) -> list[tuple[str, tuple[ext4.Extent, ...]]]:
    with ext4.Reader(image) as reader:
        found = [(path, files.find(reader, path)) for path, _ in plan.items]
        return [(path, reader.extents(reader.inode(at.inode)) if at else ()) for path, at in found]


def _fill(image: Path, plan: Plan, tell: spans.Tell) -> None:
    """Copy the data of every file into its extents; the rest of a last block is zeros, as the base may hold old bytes there."""
    block = ext4.superblock(image).block
    extents = dict(_new_extents(image, plan))
    with image.open("r+b") as out:
        for path, item in plan.items:
            with item.file.open("rb") as stream:
                if os.fstat(stream.fileno()).st_size != item.size:
                    raise ImageError(f"does not have the {item.size} bytes that it had", where=item.file, hint="run again")
                for extent in extents[path]:
                    at, to = extent.logical * block, extent.physical * block
                    length = min(extent.length * block, item.size - at)
                    spans.move(stream.fileno(), out.fileno(), at, to, length, tell)
                    if length % block:
                        os.pwrite(out.fileno(), bytes(block - length % block), to + length)


def _compare(image: Path, plan: Plan) -> None:
    """Every new inode is what was asked for, with extents that cover it whole: debugfs' own word is not enough."""
    block = ext4.superblock(image).block
    with ext4.Reader(image) as reader:
        for path, item in plan.items:
            found = files.find(reader, path)
            want = (0o100000 | item.mode, item.uid, item.gid, item.size)
            if found is None or (found.mode, found.uid, found.gid, found.size) != want:
                raise ImageError(f"{item.dest} did not come out as asked", where=image.name)
            extents = reader.extents(reader.inode(found.inode))
            if not all(extent.written for extent in extents) or sum(extent.length for extent in extents) != -(-item.size // block):
                raise ImageError(f"{item.dest} has no room for all its bytes", where=image.name)
