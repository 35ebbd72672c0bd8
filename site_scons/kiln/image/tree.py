# SPDX-License-Identifier: Apache-2.0
"""A board's files as they will lie on it: every partition where it is mounted, links followed; read only, from the images."""

from __future__ import annotations

import hashlib
import posixpath
import stat
import struct
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kiln.errors import ImageError
from kiln.image import ext4, files
from kiln.image.place import MOUNTS

_LINKS = 40
_PIECE = 256                           # blocks read at once
_MAGIC = struct.pack("<I", 0xEA020000)
_SECURITY = 6                          # the index of names `security.*`


@dataclass(frozen=True)
class File:
    """A file or folder: its path with all links followed, its partition, where its inode is, and the inode's facts."""

    path: str
    partition: str
    reader: ext4.Reader
    stat: files.Stat

    @property
    def label(self) -> bytes | None:
        """Its SELinux label as it lies there, None if it has none."""
        raw = self.reader.inode(self.stat.inode)
        inside = raw[128 + struct.unpack_from("<H", raw, 0x80)[0]:] if len(raw) > 130 else b""
        if inside[:4] == _MAGIC and (found := _selinux(inside[4:], 0, 0)) is not None:
            return found
        block = struct.unpack_from("<I", raw, 0x68)[0] | struct.unpack_from("<H", raw, 0x76)[0] << 32
        outside = self.reader.read(block) if block else b""
        return _selinux(outside, 32, 0) if outside[:4] == _MAGIC else None

    @property
    def digest(self) -> str:
        """The SHA-256 of its bytes."""
        made, raw, block = hashlib.sha256(), self.reader.inode(self.stat.inode), self.reader.sb.block
        at = 0
        for extent in self.reader.extents(raw):
            made.update(bytes(max(0, extent.logical * block - at)))
            for first in range(0, extent.length, _PIECE):
                at = (extent.logical + first) * block
                part = self.reader.read(extent.physical + first, min(_PIECE, extent.length - first))[:max(0, self.stat.size - at)]
                made.update(part if extent.written else bytes(len(part)))
                at += len(part)
        made.update(bytes(max(0, self.stat.size - at)))
        return made.hexdigest()

    def content(self, limit: int = 64 << 20) -> bytes:
        """Its bytes."""
        if self.stat.size > limit:
            raise ImageError(f"{self.path} has {self.stat.size} bytes, more than the {limit} that make sense", where=self.partition)
        return files.content(self.reader, self.stat.inode)


class Tree:
    """Partitions by name with the file and offset where each begins. Use as a context manager."""

    def __init__(self, parts: Mapping[str, tuple[Path, int]]) -> None:
        self._open = ExitStack()
        try:
            self.readers = {name: self._open.enter_context(ext4.Reader(*parts[name])) for name in MOUNTS if name in parts}
        except BaseException:
            self._open.close()
            raise
        self._mounts = {MOUNTS[name] or "/": name for name in self.readers}

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def find(self, path: str) -> File | None:
        """What lies at an absolute path of the board, links followed; None if nothing does."""
        waiting, here, links = [part for part in path.split("/") if part], "/", 0
        while waiting:
            part = waiting.pop(0)
            if part in (".", ".."):
                here = posixpath.normpath(f"{here}/{part}")
                continue
            below = posixpath.join(here, part)
            if below in self._mounts or self._below(below):
                here = below
                continue
            found = self._inode(below)
            if found and stat.S_ISLNK(found.stat.mode):
                links += 1
                if links > _LINKS:
                    return None
                target = _target(found)
                waiting = [word for word in target.split("/") if word] + waiting
                here = "/" if target.startswith("/") else here
            elif found is None or waiting and not found.stat.folder:
                return None
            else:
                here = below
        return self._inode(here)

    def names(self, path: str) -> tuple[str, ...]:
        """The entries of a folder, sorted; () if there is none."""
        found = self.find(path)
        return tuple(sorted(files.names(found.reader, self._within(found)))) if found and found.stat.folder else ()

    def _within(self, one: File) -> str:
        mount = MOUNTS[one.partition]
        return one.path[len(mount):] or "/"

    def _below(self, path: str) -> bool:
        """A folder on the way to a mount point that the board makes in memory (/mnt)."""
        return path == "/mnt" and any(mount.startswith("/mnt/") for mount in self._mounts)

    def _inode(self, path: str) -> File | None:
        mount = max((mount for mount in self._mounts if mount == "/" or f"{path}/".startswith(f"{mount}/")), key=len, default="")
        if not mount:
            return None
        name = self._mounts[mount]
        found = files.find(self.readers[name], path[len(mount):] if mount != "/" else path)
        return File(path, name, self.readers[name], found) if found else None


def _target(link: File) -> str:
    raw = link.reader.inode(link.stat.inode)
    if link.stat.size < 60 and not struct.unpack_from("<I", raw, 0x20)[0] & 0x80000:
        return raw[0x28:0x28 + link.stat.size].decode("utf-8", "replace")
    return link.content(4096).decode("utf-8", "replace")


def _selinux(area: bytes, first: int, base: int) -> bytes | None:
    """The value of security.selinux among attributes whose list begins at `first`; values lie from `base` on."""
    at = first
    while at + 16 <= len(area) and area[at:at + 4] != bytes(4):
        length, index, offset, inode, size = struct.unpack_from("<BBHII", area, at)
        if index == _SECURITY and area[at + 16:at + 16 + length] == b"selinux" and not inode:
            return area[base + offset:base + offset + size]
        at += 16 + -(-length // 4) * 4
    return None
