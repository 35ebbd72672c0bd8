# SPDX-License-Identifier: Apache-2.0
"""Unpack an archive as if an enemy had made it; the folder appears whole or not at all.

Nothing is ever written through a link: links are made last, after every file, and then each must lead to a place
inside. Only the exec bit of a mode is taken (0755 or 0644), so no setuid; owners and times are never taken.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from kiln import run
from kiln.errors import UnpackError, one_line
from kiln.fetch import archive
from kiln.fetch.archive import Bounds, Member
from kiln.fetch.cache import writing
from kiln.progress import Progress, silent

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PIECE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may grow to: bytes in all and per file, members, and bytes out per byte in (past 1 GiB)."""

    total: int = 64 << 30
    file: int = 32 << 30
    members: int = 500_000
    ratio: int = 200
    free: int = 1 << 30


def unpack(source: Path, into: Path, *, file: str, subdir: str = "", limits: Limits = Limits(),
           progress: Progress = silent) -> Path:
    """Unpack `source`, whose format is that of the name `file`; what lay in `into` is replaced. Gives `into`.

    Formats: tar (plain, gz, bz2, xz, zst), zip and whl, deb (its data); a file of another name is put there as it is.
    With `subdir` only what is below that folder of the archive is unpacked. Raises UnpackError.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    beside = into.with_name(f".{into.name}.tmp")
    _remove(beside)
    try:
        with writing(into.parent), _told(file):
            beside.mkdir()
            _fill(source, beside, file, subdir, limits, progress)
        _remove(into)
        beside.rename(into)
    finally:
        _remove(beside)
    return into


def _fill(source: Path, folder: Path, file: str, subdir: str, limits: Limits, progress: Progress) -> None:
    size = source.stat().st_size
    # Also what a sparse file or a hard link adds without a byte in the archive counts against the ratio.
    limits = replace(limits, total=min(limits.total, max(limits.free, limits.ratio * size)))
    tree = _Tree(folder, _parts(subdir) if subdir else (), limits)
    with source.open("rb") as stream, progress(size, f"unpack {file}"[:40]) as update:
        bounds = Bounds(limits.total, update)
        with archive.broken():
            for member in archive.members(stream, file, bounds):
                tree.add(member)
    tree.finish()
    if subdir and not tree.kinds:
        raise UnpackError(f"holds no folder {subdir!r}")


@dataclass
class _Tree:
    """The folder as it grows; `kinds` says of each name whether it is a dir, file or link."""

    root: Path
    below: tuple[str, ...]
    limits: Limits
    kinds: dict[str, str] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)
    members: int = 0
    total: int = 0

    def add(self, member: Member) -> None:
        """Take one member, or refuse the archive."""
        run.go_on("an archive was unpacked")
        self.members += 1
        if self.members > self.limits.members:
            raise UnpackError(f"has more than {self.limits.members} members")
        parts = _parts(member.name)
        if member.kind == "other":
            raise UnpackError(f"holds {one_line(member.name, 100)!r}, which is no file, folder or link")
        if parts[:len(self.below)] != self.below:
            return
        name = "/".join(parts[len(self.below):])
        if not name:
            if member.kind != "dir":
                raise UnpackError(f"{one_line(member.name, 100)!r} is no folder")
            return
        self._parents(name)
        getattr(self, f"_{member.kind}")(name, member)

    def finish(self) -> None:
        """Make the links, then see that each leads to a place inside."""
        for name, target in self.links:
            (self.root / name).symlink_to(target)
        root = os.path.realpath(self.root)
        for name, target in self.links:
            real = os.path.realpath(self.root / name)
            if real != root and not real.startswith(root + os.sep):
                raise UnpackError(f"link {name!r} leads outside, to {one_line(target, 100)!r}")

    def _parents(self, name: str) -> None:
        above = name.rpartition("/")[0]
        if above and above not in self.kinds:
            self._parents(above)
            (self.root / above).mkdir(mode=0o755)
            self.kinds[above] = "dir"
        elif above and self.kinds[above] != "dir":
            raise UnpackError(f"{name!r} lies below {above!r}, which is a {self.kinds[above]}")

    def _claim(self, name: str, kind: str) -> None:
        if name in self.kinds:
            raise UnpackError(f"holds {name!r} twice")
        self.kinds[name] = kind

    def _dir(self, name: str, member: Member) -> None:
        if self.kinds.get(name) != "dir":
            self._claim(name, "dir")
            (self.root / name).mkdir(mode=0o755)

    def _link(self, name: str, member: Member) -> None:
        if not member.target or _CONTROL.search(member.target) or len(os.fsencode(member.target)) > 4095:
            raise UnpackError(f"link {name!r} has a bad target")
        if member.target.startswith("/"):
            raise UnpackError(f"link {name!r} leads outside, to {one_line(member.target, 100)!r}")
        self._claim(name, "link")
        self.links.append((name, member.target))

    def _hard(self, name: str, member: Member) -> None:
        """A hard link becomes a copy: a patch to the one must not change the other."""
        parts = _parts(member.target)
        first = "/".join(parts[len(self.below):])
        if parts[:len(self.below)] != self.below or self.kinds.get(first) != "file":
            raise UnpackError(f"hard link {name!r} leads to {one_line(member.target, 100)!r}, which is no file before it")
        self._claim(name, "file")
        self._count(name, (self.root / first).stat().st_size)
        shutil.copy(self.root / first, self.root / name)

    def _file(self, name: str, member: Member) -> None:
        self._claim(name, "file")
        self._count(name, member.size)
        assert member.stream
        with _created(self.root / name, 0o755 if member.exec else 0o644) as out:
            left = member.size
            while left and (piece := member.stream.read(min(left, _PIECE))):
                out.write(piece)
                left -= len(piece)
            if left or member.stream.read(1):
                raise UnpackError(f"{name!r} is not as long as the archive says")

    def _count(self, name: str, size: int) -> None:
        self.total += size
        if size > self.limits.file or self.total > self.limits.total:
            raise UnpackError(f"is larger than allowed at {name!r}: {size} bytes, {self.total} in all")


def _parts(name: str) -> tuple[str, ...]:
    """A member's name as its parts; () is the root itself."""
    shown = one_line(name, 100)
    if name.startswith("/") or _CONTROL.search(name):
        raise UnpackError(f"holds a bad name: {shown!r}")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts or len(parts) > 100 or any(len(part.encode()) > 255 for part in parts):
        raise UnpackError(f"holds a bad name: {shown!r}")
    return parts


@contextmanager
def _created(file: Path, mode: int) -> Iterator[IO[bytes]]:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "wb", buffering=0) as out:
        os.fchmod(handle, mode)  # whatever the umask
        yield out


@contextmanager
def _told(file: str) -> Iterator[None]:
    try:
        yield
    except UnpackError as error:
        raise UnpackError(error.what, where=file, hint=error.hint or "it is not unpacked") from error.__cause__


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
