# SPDX-License-Identifier: Apache-2.0
"""What a base is, read from it: the partition table, an image for each partition, the ABI and the version of its userland."""

from __future__ import annotations

import dataclasses
import re
import struct
from collections.abc import Sequence
from pathlib import Path

from kiln import stamp
from kiln.errors import ImageError
from kiln.image import ext4, files, table, unsparse
from kiln.image.formats.directory import BESIDE, image_name
from kiln.progress import Progress, silent
from kiln.results import Base, FileSystem, Input, Partition

NEEDED = ("system", "vendor")
WRITABLE = ("system", "vendor", "sys-prod", "chip-prod")
_MACHINES = {40: "armeabi-v7a", 183: "arm64-v8a", 62: "x86_64"}
_SELINUX = "/system/etc/selinux/config"
_PARAMETERS = ("/system/etc/param/ohos_const/ohos.para", "/system/etc/param/ohos.para")


def read(folder: Path, *, inputs: Sequence[Input] = (), key: str = "", sandbox: bool = False, version: str = "", expanded: Path | None = None,
         progress: Progress = silent) -> Base:
    """The base in a folder like OpenHarmony's packages/phone/images. Raises ImageError in one line for whatever is wrong.

    `key` says what it was made from; without one it is taken from the bytes of table and images. `version` is what its
    maker calls it, for a base that does not say. Android sparse images are written out as plain ones into `expanded`.
    """
    parameter = folder / "parameter.txt"
    rows = tuple(_plain(_with_image(row, folder), expanded, progress) for row in table.read(parameter).rows)
    for row in rows:
        _check(row)
    there = {row.name: row.image for row in rows}
    for name in NEEDED:
        if there.get(name) is None:
            what = f"has no {image_name(name)}" if name in there else f"has no partition {name}"
            raise ImageError(what, where=folder, hint="a base is a folder with parameter.txt and the partition images")
    system = there["system"]
    assert system is not None
    with ext4.Reader(system) as reader:
        abi, version = abi_of(reader), version_of(reader) or version
        variant, selinux = variant_of(reader), selinux_of(reader)
    systems = tuple(_file_system(row.name, row.image) for row in rows if row.image and row.name in WRITABLE)
    return Base(rows, parameter, abi, version, variant, selinux, sandbox, tuple(inputs), key or digest(rows, parameter), file_systems=systems)


def _file_system(name: str, image: Path) -> FileSystem:
    sb = ext4.superblock(image)
    return FileSystem(name, sb.size, sb.free * sb.block, sb.inodes, sb.free_inodes)


def raw(folder: Path) -> bool:
    """Whether no image of it is a sparse one: then read() takes no time worth mentioning, given a key."""
    images = [row.image for one in table.read(folder / "parameter.txt").rows if (row := _with_image(one, folder)).image]
    return not any(image and unsparse.is_sparse(image) for image in images)


def _with_image(row: Partition, folder: Path) -> Partition:
    file = folder / image_name(row.name)
    return dataclasses.replace(row, image=file if file.is_file() else None)


def _plain(row: Partition, expanded: Path | None, progress: Progress) -> Partition:
    """The row with its image as a plain one."""
    if row.image is None or not unsparse.is_sparse(row.image):
        return row
    if expanded is None:
        return row                     # what reads it says that it cannot
    limit = row.size * table.SECTOR or unsparse.LARGEST
    return dataclasses.replace(row, image=unsparse.expand(row.image, expanded / row.image.name, limit, progress))


def _check(row: Partition) -> None:
    """An image fits its partition, and is a raw ext4 where we may write into it."""
    if row.image is None:
        return
    size, limit = row.image.stat().st_size, row.size * table.SECTOR
    if limit and size > limit:
        raise ImageError(f"has {size} bytes, its partition {row.name} only {limit}", where=row.image, hint="the image would run into the next partition")
    if row.name in WRITABLE and ext4.superblock(row.image).size > (limit or size):
        raise ImageError(f"holds a file system larger than its partition {row.name}", where=row.image)


def abi_of(reader: ext4.Reader) -> str:
    """The ABI of the userland: the ELF machine of init, else which musl loader there is."""
    init = files.text(reader, "/system/bin/init") or b""
    if init[:4] == b"\x7fELF" and len(init) >= 20:
        machine = struct.unpack_from("<H", init, 18)[0]
        if machine in _MACHINES:
            return _MACHINES[machine]
        raise ImageError(f"/system/bin/init is for ELF machine {machine}", where=reader.image, hint="known: arm, arm64, x86_64")
    for abi, name in (("arm64-v8a", "aarch64"), ("armeabi-v7a", "arm"), ("x86_64", "x86_64")):
        if files.find(reader, f"/system/lib/ld-musl-{name}.so.1"):
            return abi
    raise ImageError("has neither /system/bin/init nor a musl loader", where=reader.image, hint="expected OpenHarmony's system.img")


def version_of(reader: ext4.Reader) -> str:
    """const.ohos.fullname of the base, "" if it does not say; file names of dailies are known to lie."""
    for path in _PARAMETERS:
        found = re.search(rb"^\s*const\.ohos\.fullname\s*=\s*\"?([\x21-\x7e]{1,64}?)\"?\s*$", files.text(reader, path, limit=1 << 20) or b"", re.M)
        if found:
            return found[1].decode()
    return ""


def variant_of(reader: ext4.Reader) -> str:
    """The build variant, "" if the base does not say: root (the default, with a permissive domain `su` that init may enter) or user.

    By const.debuggable; where that stands nowhere, by setenforce, which only root builds have.
    """
    for path in _PARAMETERS:
        found = re.search(rb"^\s*const\.debuggable\s*=\s*\"?([01])\"?\s*$", files.text(reader, path, limit=1 << 20) or b"", re.M)
        if found:
            return "root" if found[1] == b"1" else "user"
    return "root" if files.find(reader, "/system/bin/setenforce") else ""


def selinux_of(reader: ext4.Reader) -> str:
    """SELINUX= of the base's own configuration; "" if it has none. A kernel command line may still say otherwise."""
    found = re.search(rb"^\s*SELINUX\s*=\s*(enforcing|permissive|disabled)\s*$", files.text(reader, _SELINUX, limit=1 << 16) or b"", re.M)
    return found[1].decode() if found else ""


def digest(rows: Sequence[Partition], parameter: Path) -> str:
    """Of the table, of what the images are delivered with, and of the images."""
    beside = [file for name in BESIDE if (file := parameter.with_name(name)).is_file()]
    return stamp.key(stamp.digest(parameter), [[file.name, stamp.digest(file)] for file in beside],
                     [[row.name, stamp.digest(row.image)] for row in rows if row.image])
