# SPDX-License-Identifier: Apache-2.0
"""One file of a tree as it is or shall be, bytes and mode; never through a link, and never half written."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from kiln.errors import PatchError


@dataclass(frozen=True)
class Content:
    """A plain file: its permission bits (07777) and its bytes. Where there is no file, there is None."""

    mode: int
    data: bytes

    @property
    def digest(self) -> str:
        """sha256 of the bytes, and the mode: what must come back exactly."""
        return f"{self.mode:04o}:{hashlib.sha256(self.data).hexdigest()}"

    @property
    def blob(self) -> str:
        """git's name for the bytes, as the `index` line of a patch abbreviates it."""
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data, usedforsecurity=False).hexdigest()

    def runnable(self, yes: bool) -> Content:
        """The same with or without the right to run: whoever may read may then run, as git sets it."""
        return Content(self.mode | (self.mode & 0o444) >> 2 if yes else self.mode & ~0o111, self.data)


def digest(content: Content | None) -> str:
    """The digest of a content, "" for no file."""
    return content.digest if content else ""


def look(tree: Path, path: str) -> Content | None:
    """What lies at a path of the tree, or None. Raises PatchError where the path is no plain file or leads through a link."""
    sheer(tree, path)
    file = tree / path
    try:
        kind = file.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(kind):
        raise PatchError(f"is no plain file but a {_kind(kind)}; a patch may not touch it", where=file)
    return Content(stat.S_IMODE(kind), file.read_bytes())


def put(tree: Path, path: str, content: Content | None, beside: str) -> None:
    """Make the path of the tree this content, by way of a file `beside` it and a rename; its folders are made.

    The time of the file is now, also when an original comes back: what was built from the patched file is older.
    """
    sheer(tree, path)
    file = tree / path
    if content is None:
        file.unlink(missing_ok=True)
        return
    _folder(file.parent)
    fresh = file.with_name(beside)
    fresh.unlink(missing_ok=True)
    owner = (file if file.exists() else file.parent).stat()
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(content.data)
        _give(handle, owner)
        os.fchmod(handle, content.mode)
    os.replace(fresh, file)


def _folder(folder: Path) -> None:
    if not folder.is_dir():
        _folder(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask
        _give(folder, folder.parent.stat())


def _give(file: int | Path, owner: os.stat_result) -> None:
    """Root that works in a user's tree leaves nothing there that the user cannot change."""
    if os.geteuid() == 0:
        os.chown(file, owner.st_uid, owner.st_gid)


def sheer(tree: Path, path: str) -> None:
    """Refuse a path that leads through a link: what it would touch may lie anywhere."""
    at = tree
    for part in path.split("/")[:-1]:
        at = at / part
        if at.is_symlink():
            raise PatchError("is a link; a patch may not touch what lies behind it", where=at)
        if at.exists() and not at.is_dir():
            raise PatchError(f"is no folder, and a patch touches {path!r}", where=at)


def _kind(mode: int) -> str:
    return "link" if stat.S_ISLNK(mode) else "folder" if stat.S_ISDIR(mode) else "device or pipe"
