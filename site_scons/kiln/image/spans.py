# SPDX-License-Identifier: Apache-2.0
"""Bytes between files, with their holes kept: sparse copies, copies into given spans, digests."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from kiln.errors import ImageError

_PIECE = 64 << 20
_ZEROS = bytes(1 << 20)
Tell = Callable[[int], object]         # called with the bytes done, for progress


def quiet(count: int) -> None:
    """Tells nobody."""


def data(fd: int, size: int, at: int = 0) -> Iterator[tuple[int, int]]:
    """(offset, length) of the parts of an open file, from `at` on, that are not holes."""
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


def put(beside: Path, into: Path) -> Path:
    """A finished file to its name; what lay there goes first, and a run that is killed between has no stamp and makes it again.

    ext4 flushes a file that is renamed over another (auto_da_alloc), so that a bake would wait for the disk.
    """
    into.unlink(missing_ok=True)
    return beside.replace(into)


def weight(files: Iterable[Path]) -> int:
    """Bytes on the disk of sparse files: what a copy of them has to move."""
    return sum(file.stat().st_blocks * 512 for file in files)


def digest(file: Path, tell: Tell = quiet) -> str:
    """sha256 of a file; its holes are hashed without being read, which on a whole disk is most of the work."""
    total = hashlib.sha256()
    with file.open("rb") as stream:
        for part in pieces(stream, 0, os.fstat(stream.fileno()).st_size, tell):
            total.update(part)
    return total.hexdigest()


def pieces(stream: IO[bytes], start: int, end: int, tell: Tell = quiet) -> Iterator[bytes]:
    """The bytes from `start` to `end` of an open file, a MiB at most at a time; a hole is given without being read."""
    at = start
    for begin, length in (*data(stream.fileno(), end, start), (end, 0)):
        while at < begin:
            yield _ZEROS[:begin - at]
            at += min(begin - at, len(_ZEROS))
        while at < begin + length:
            part = os.pread(stream.fileno(), min(begin + length - at, len(_ZEROS)), at)
            if not part:
                raise ImageError("was cut short while it was read", where=Path(stream.name).name, hint="did something change it? run again")
            yield part
            at += len(part)
            tell(len(part))
