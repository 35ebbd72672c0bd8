# SPDX-License-Identifier: Apache-2.0
"""What a git-format patch says that it touches, read as if an enemy had written it.

The format is that of git-diff(1), "generating patch text with -p", as `git format-patch` mails it. Whoever reads it
otherwise than git does is found out later: what git leaves in its scratch folder must be exactly what is listed here.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from kiln.errors import PatchError, one_line

LARGEST = 64 << 20
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_BLOBS = re.compile(rb"index ([0-9a-f]{7,64})\.\.([0-9a-f]{7,64})(?: \d+)?")
_ESCAPE = re.compile(rb'\\([abtnvfr"\\]|[0-3][0-7]{2})')
_LETTERS = dict(zip(b'abtnvfr"\\', b'\a\b\t\n\v\f\r"\\', strict=True))
_CLOSED = {".git", ".repo"}


@dataclass(frozen=True)
class Hunk:
    """One hunk: its header, the first line (from 1), the lines that it expects there, whether it adds a line that is not blank."""

    header: str
    start: int
    lines: tuple[bytes, ...]
    adds: bool


@dataclass(frozen=True)
class Change:
    """What a patch does to one file: `old` None creates it, `new` None deletes it, two names rename it.

    `modes` and `blobs` (git's abbreviated object names) are before and after, "" where the patch does not say.
    """

    old: str | None
    new: str | None
    modes: tuple[str, str] = ("", "")
    blobs: tuple[str, str] = ("", "")
    hunks: tuple[Hunk, ...] = ()
    binary: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that it touches."""
        return tuple(dict.fromkeys(path for path in (self.old, self.new) if path is not None))

    @property
    def reversed(self) -> Change:
        """The change that takes this one back; its hunks stay as they are, since nobody reads them."""
        return replace(self, old=self.new, new=self.old, modes=self.modes[::-1], blobs=self.blobs[::-1])


@dataclass(frozen=True)
class Patch:
    """One patch file, the folder of the tree that it is for ("" is the root), and what it does there."""

    file: Path
    repository: str
    sha256: str
    changes: tuple[Change, ...]

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.repository}/{self.file.name}" if self.repository else self.file.name

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that it touches, relative to its repository."""
        return tuple(path for change in self.changes for path in change.paths)


def read(file: Path, repository: str) -> Patch:
    """The patch in `file`. Raises PatchError for what is no git-format patch, is hostile, or makes links or copies."""
    if file.stat().st_size > LARGEST:
        raise PatchError(f"is larger than {LARGEST >> 20} MiB", where=file)
    data = file.read_bytes()
    try:
        changes = tuple(_changes(data.split(b"\n")))
        patch = Patch(file, repository, hashlib.sha256(data).hexdigest(), changes)
        _check(patch)
    except PatchError as error:
        raise PatchError(error.what, where=file, hint=error.hint) from error
    return patch


def plain(path: str) -> str:
    """`path` if it is a plain relative one that leads to no repository's own data. Raises PatchError."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path or "\\" in path or "\n" in path:
        raise PatchError(f"touches {one_line(path, 100)!r}, which is no plain path inside the tree")
    if any(part.lower() in _CLOSED for part in parts):
        raise PatchError(f"touches {one_line(path, 100)!r}, which is a repository's own data")
    return path


def _check(patch: Patch) -> None:
    if not patch.changes:
        raise PatchError("is no git-format patch, or an empty one", hint="make it with git format-patch")
    for path in patch.paths:
        plain(path)
    if len(set(patch.paths)) < len(patch.paths):
        twice = next(path for path in patch.paths if patch.paths.count(path) > 1)
        raise PatchError(f"touches {twice!r} twice", hint="make it with git format-patch --no-renames --no-break-rewrites")
    for change in patch.changes:
        for mode in filter(None, change.modes):
            if mode not in ("100644", "100755"):
                raise PatchError(f"gives {change.paths[0]!r} the mode {mode}", hint="only plain files may be patched: no links, no submodules")


@dataclass
class _Open:
    """A file's part of a patch as its lines come."""

    names: list[str | None]
    modes: list[str] = field(default_factory=lambda: ["", ""])
    blobs: tuple[str, str] = ("", "")
    hunks: list[Hunk] = field(default_factory=list)
    binary: bool = False

    def header(self, line: bytes) -> None:
        """Take one line between `diff --git` and the first hunk."""
        word, _, rest = line.partition(b" ")
        two, _, name = line.partition(b" mode ")
        if word in (b"---", b"+++"):
            self.names[word == b"+++"] = _name(rest.rstrip(b"\t\r"), b"b/" if word == b"+++" else b"a/")
        elif word == b"copy":
            raise PatchError("copies a file", hint="make it with git format-patch --no-renames")
        elif word == b"rename":
            self.names[rest.startswith(b"to ")] = os.fsdecode(_unquoted(rest.partition(b" ")[2]))
        elif two in (b"old", b"deleted file"):
            self.modes[0] = name.decode("ascii", "replace").strip()
            self.names[1] = self.names[1] if two == b"old" else None
        elif two in (b"new", b"new file"):
            self.modes[1] = name.decode("ascii", "replace").strip()
            self.names[0] = self.names[0] if two == b"new" else None
        elif found := _BLOBS.match(line):
            self.blobs = found[1].decode(), found[2].decode()
        self.binary = self.binary or line.startswith((b"GIT binary patch", b"Binary files "))

    def closed(self) -> Change:
        """The finished change."""
        return Change(self.names[0], self.names[1], (self.modes[0], self.modes[1]), self.blobs, tuple(self.hunks), self.binary)


def _changes(lines: list[bytes]) -> Iterator[Change]:
    now: _Open | None = None
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith(b"diff --git "):
            if now:
                yield now.closed()
            now = _Open(_names(line[11:].rstrip(b"\r")))
        elif found := _HUNK.match(line):
            if now is None:
                raise PatchError("has a hunk without a `diff --git` line", hint="make it with git format-patch")
            hunk, at = _hunk(line, found, lines, at)
            now.hunks.append(hunk)
        elif now and not now.hunks:
            now.header(line)
        elif line.startswith(b"--- ") and lines[at:at + 1] and lines[at].startswith(b"+++ "):
            raise PatchError("changes a file without a `diff --git` line", hint="make it with git format-patch")
    if now:
        yield now.closed()


def _hunk(line: bytes, found: re.Match[bytes], lines: list[bytes], at: int) -> tuple[Hunk, int]:
    """The hunk whose body begins at lines[at], and where it ends."""
    old, new = (int(found[n]) if found[n] else 1 for n in (2, 4))
    before: list[bytes] = []
    adds = False
    while old > 0 or new > 0:
        body = lines[at] if at < len(lines) else b"?"
        kind = body[:1] or b" "  # mailers strip the space of an empty line, and git takes it so
        if kind not in (b" ", b"-", b"+", b"\\"):
            raise PatchError(f"is cut off or damaged in {one_line(line.decode(errors='replace'), 100)}")
        old, new = old - (kind in b" -"), new - (kind in b" +")
        if kind in b" -":
            before.append(body[1:])
        adds = adds or (kind == b"+" and body[1:].strip() != b"")
        at += 1
    return Hunk(one_line(line.decode(errors="replace"), 120), int(found[1]), tuple(before), adds), at


def _names(rest: bytes) -> list[str | None]:
    """Both names of a `diff --git` line; where no later line says more they are the same, which finds the middle."""
    if rest.startswith(b'"'):
        end = next((n for n in range(1, len(rest)) if rest[n:n + 2] == b'" ' and not _odd(rest[:n])), 0)
        one, two = rest[:end + 1], rest[end + 2:]
    else:
        half = len(rest) // 2
        one, two = (rest[:half], rest[half + 1:]) if rest[2:half] == rest[half + 3:] else (b"", b"")
    return [_name(one, b"a/"), _name(two, b"b/")] if one else [None, None]


def _odd(text: bytes) -> bool:
    return (len(text) - len(text.rstrip(b"\\"))) % 2 == 1


def _name(text: bytes, prefix: bytes) -> str | None:
    bare = _unquoted(text)
    if bare == b"/dev/null":
        return None
    if not bare.startswith(prefix):
        raise PatchError(f"names {one_line(os.fsdecode(bare), 100)!r} without {prefix.decode()}", hint="make it with git format-patch")
    return os.fsdecode(bare[2:])


def _unquoted(text: bytes) -> bytes:
    """A name as git quotes it in the way of C, or as it is."""
    if not (len(text) > 1 and text.startswith(b'"') and text.endswith(b'"')):
        return text
    return _ESCAPE.sub(lambda found: bytes([_LETTERS[found[1][0]] if len(found[1]) == 1 else int(found[1], 8)]), text[1:-1])
