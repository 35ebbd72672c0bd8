# SPDX-License-Identifier: Apache-2.0
"""Bytes between files, with their holes kept: sparse copies, copies into given spans, digests."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from kiln.errors import ImageError

_PIECE = 64 << 20
Tell = Callable[[int], object]         # called with the bytes done, for progress


def quiet(count: int) -> None:
    """Tells nobody."""


def data(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of the parts of an open file that are not holes."""
    at = 0
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = min(os.lseek(fd, at, os.SEEK_HOLE), size)
        yield at, end - at
        at = end


def copy(source: Path, into: Path, tell: Tell = quiet) -> None:
    """A copy with the holes kept, with the owner, mode and time of a new file."""
    with into.open("wb") as out:
        size = source.stat().st_size
        out.truncate(size)
        place(source, out.fileno(), 0, tell)


def place(source: Path, out: int, offset: int, tell: Tell = quiet) -> None:
    """Write the data of `source` at `offset` of an open file, which must be a hole there: holes are skipped."""
    with source.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        for at, length in data(stream.fileno(), size):
            move(stream.fileno(), out, at, offset + at, length, tell)


def move(source: int, out: int, at: int, to: int, length: int, tell: Tell = quiet) -> None:
    """Copy `length` bytes between open files; copy_file_range stays inside the kernel and shares blocks where it can."""
    while length:
        try:
            count = os.copy_file_range(source, out, min(length, _PIECE), at, to)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            count = os.pwrite(out, os.pread(source, min(length, 1 << 20), at), to)
        if not count:
            raise ImageError(f"ended {length} bytes too early while it was copied", hint="did something change it? run again")
        at, to, length = at + count, to + count, length - count
        tell(count)


def weight(files: Iterable[Path]) -> int:
    """Bytes on the disk of sparse files: what a copy of them has to move."""
    return sum(file.stat().st_blocks * 512 for file in files)


def digest(file: Path, tell: Tell = quiet) -> str:
    """sha256 of a file; its holes are hashed without being read, which on a whole disk is most of the work."""
    total, zeros = hashlib.sha256(), bytes(1 << 20)
    with file.open("rb") as stream:
        size, at = os.fstat(stream.fileno()).st_size, 0
        for start, length in (*data(stream.fileno(), size), (size, 0)):
            while at < start:
                total.update(memoryview(zeros)[:min(start - at, len(zeros))])
                at += min(start - at, len(zeros))
            while at < start + length:
                part = os.pread(stream.fileno(), min(start + length - at, 1 << 20), at)
                if not part:
                    raise ImageError("was cut short while it was read", where=file.name, hint="did something change it? run again")
                total.update(part)
                at += len(part)
                tell(len(part))
    return total.hexdigest()
