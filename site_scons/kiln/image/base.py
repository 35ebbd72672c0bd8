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
from kiln.image import ext4, files, rockchip, table
from kiln.image.formats.directory import image_name
from kiln.results import Base, Input, Partition

NEEDED = ("system", "vendor")
WRITABLE = ("system", "vendor", "sys-prod", "chip-prod")
_MACHINES = {40: "armeabi-v7a", 183: "arm64-v8a", 62: "x86_64"}
_PARAMETERS = ("/system/etc/param/ohos_const/ohos.para", "/system/etc/param/ohos.para")


def read(folder: Path, *, inputs: Sequence[Input] = (), key: str = "", sandbox: bool = False, version: str = "") -> Base:
    """The base in a folder like OpenHarmony's packages/phone/images. Raises ImageError in one line for whatever is wrong.

    `key` says what it was made from; without one it is taken from the bytes of table and images. `version` is what its
    maker calls it, for a base that does not say.
    """
    parameter = folder / "parameter.txt"
    rows = tuple(_with_image(row, folder) for row in table.read(parameter).rows)
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
    return Base(rows, parameter, abi, version, sandbox, tuple(inputs), key or _digest(rows, parameter))


def _with_image(row: Partition, folder: Path) -> Partition:
    file = folder / image_name(row.name)
    return dataclasses.replace(row, image=file if file.is_file() else None)


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


def _digest(rows: Sequence[Partition], parameter: Path) -> str:
    loader = parameter.with_name(rockchip.LOADER)
    parts = [parameter, loader] if loader.is_file() else [parameter]
    return stamp.key(*map(stamp.digest, parts), [[row.name, stamp.digest(row.image)] for row in rows if row.image])
