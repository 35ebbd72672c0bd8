# SPDX-License-Identifier: Apache-2.0
"""Paths inside an ext4 image: what lies there, what a folder holds, the bytes of a small file; read only.

debugfs could answer too, but it prints its answers and its complaints on two streams, and a missing path then may cut
another path's answer in two.
"""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass

from kiln.errors import ImageError
from kiln.image import ext4
from kiln.image.ext4 import Reader

_ROOT = 2
_LARGEST_FOLDER = 64 << 20


@dataclass(frozen=True)
class Stat:
    """One inode: its number, mode with the file type, owner, bytes."""

    inode: int
    mode: int
    uid: int
    gid: int
    size: int

    @property
    def folder(self) -> bool:
        """Is it a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def regular(self) -> bool:
        """Is it a plain file."""
        return stat.S_ISREG(self.mode)


def find(reader: Reader, path: str) -> Stat | None:
    """What lies at an absolute path; None if nothing does. Symbolic links are not followed."""
    number = _ROOT
    for name in filter(None, path.split("/")):
        if not stat.S_ISDIR(ext4.owner(reader.inode(number))[0]):
            return None
        found = _entries(reader, number).get(name)
        if found is None:
            return None
        number = found
    raw = reader.inode(number)
    return Stat(number, *ext4.owner(raw), ext4.size(raw))


def names(reader: Reader, path: str) -> tuple[str, ...]:
    """The entries of a folder, sorted; () if there is no such folder."""
    found = find(reader, path)
    return tuple(sorted(_entries(reader, found.inode))) if found and found.folder else ()


def text(reader: Reader, path: str, *, limit: int = 16 << 20) -> bytes | None:
    """The bytes of a plain file, None if there is none. Raises ImageError past `limit` bytes."""
    found = find(reader, path)
    if found is None or not found.regular:
        return None
    if found.size > limit:
        raise ImageError(f"{path} has {found.size} bytes, more than the {limit} that make sense", where=reader.image.name)
    return content(reader, found.inode)


def content(reader: Reader, number: int) -> bytes:
    """The bytes of an inode that has extents; holes are zeros."""
    raw, block = reader.inode(number), reader.sb.block
    size = ext4.size(raw)
    out = bytearray(size)
    for extent in reader.extents(raw):
        at = extent.logical * block
        if extent.written and at < size:
            part = reader.read(extent.physical, min(extent.length, -(-(size - at) // block)))
            out[at:at + len(part)] = part[:size - at]
    return bytes(out)


def _entries(reader: Reader, number: int) -> dict[str, int]:
    """Name to inode number of a folder: also a hashed one, whose index blocks look like empty entries."""
    if number not in reader.folders:
        reader.folders[number] = _parsed(reader, number)
    return reader.folders[number]


def _parsed(reader: Reader, number: int) -> dict[str, int]:
    if ext4.size(reader.inode(number)) > _LARGEST_FOLDER:
        raise ImageError(f"folder inode {number} is larger than {_LARGEST_FOLDER} bytes", where=reader.image.name)
    raw, at, block = content(reader, number), 0, reader.sb.block
    found: dict[str, int] = {}
    while at + 8 <= len(raw):
        inode, step, length = struct.unpack_from("<IHB", raw, at)
        if step < 8 or step % 4 or at % block + step > block or length + 8 > step:
            raise ImageError(f"folder inode {number} is broken", where=reader.image.name, hint="run e2fsck -fn on the image")
        if inode:
            found[raw[at + 8:at + 8 + length].decode("utf-8", "replace")] = inode
        at += step
    found.pop(".", None), found.pop("..", None)
    return found
