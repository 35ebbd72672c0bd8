# SPDX-License-Identifier: Apache-2.0
"""Files in a tree that is somebody's: read whole or refused, written beside and renamed, never through a link."""

from __future__ import annotations

import json
import os
from pathlib import Path

from kiln import run, stamp
from kiln.errors import Refused
from kiln.results import Artifact

_BESIDE = ".kiln-tmp"
_MOST = 16 << 20               # bytes of a file of the team's that are read


def text(file: Path, *, json_: bool = True) -> str:
    """A file of the team's, whole. Raises Refused if it is a link, not text, or not JSON."""
    if file.is_symlink() or not file.is_file():
        raise Refused("is no plain file", where=file, hint="repo sync -c brings it")
    try:
        with file.open("rb") as opened:
            found = opened.read(_MOST).decode("utf-8")
        if json_:
            json.loads(found.removeprefix("\ufeff"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Refused(f"is not {'JSON' if json_ else 'text'}: {error}", where=file, hint="git diff shows what was changed there") from error
    return found


def write(file: Path, data: bytes, mode: int | None) -> None:
    """The bytes, beside and renamed; mode None keeps the file's own. What is the same already is not touched."""
    if file.is_file() and file.read_bytes() == data:
        return
    fresh = beside(file)
    _folder(file.parent)
    owner = (file if file.exists() else file.parent).stat()
    fresh.write_bytes(data)
    _given(fresh, owner, mode if mode is not None else owner.st_mode & 0o777 if file.exists() else 0o644)
    fresh.replace(file)


def copy(item: Artifact, file: Path) -> None:
    """A built file, blocks shared where the file system can."""
    if file.is_file() and digest(file) == item.sha256:
        return
    _folder(file.parent)
    fresh = beside(file)
    run.run(["cp", "--reflink=auto", "--", str(item.file), str(fresh)])
    _given(fresh, file.parent.stat(), item.mode & 0o777)
    fresh.replace(file)


def _given(file: Path, owner: os.stat_result, mode: int) -> None:
    """Root that works in a user's tree leaves nothing there that the user cannot change."""
    if os.geteuid() == 0:
        os.chown(file, owner.st_uid, owner.st_gid)
    file.chmod(mode)


def _folder(folder: Path) -> None:
    if not folder.is_dir():
        _folder(folder.parent)
        folder.mkdir()
        _given(folder, folder.parent.stat(), 0o755)


def beside(file: Path) -> Path:
    """Where a file is written before it is renamed: a killed run may leave it."""
    return file.with_name(f".{file.name}{_BESIDE}")


def digest(file: Path) -> str:
    """sha256 of a plain file; of a link or folder, what no digest is."""
    return stamp.digest(file) if file.is_file() and not file.is_symlink() else "no plain file"
