# SPDX-License-Identifier: Apache-2.0
"""Already made, with this key, and intact: what lets `kill -9` cost one step and no more.

A stamp is `.made.json` in the folder of a step, written last: the key that the outputs were made for and the size of
each output. SCons writes its own database only at the end of a run, so after a kill every step is asked again; a
step whose stamp holds returns at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path

NAME = ".made.json"


def key(*parts: object) -> str:
    """sha256 over the parts, each canonical JSON or text; 64 hex digits."""
    text = [part if isinstance(part, str) else json.dumps(part, sort_keys=True, default=str) for part in parts]
    return hashlib.sha256("\0".join(text).encode()).hexdigest()


def made(folder: Path, wanted: str) -> bool:
    """True if the folder was finished for this key and every output still has its size."""
    try:
        stamp = json.loads((folder / NAME).read_text())
        return stamp["key"] == wanted and all(
            (folder / name).lstat().st_size == size for name, size in stamp["outputs"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def unmake(folder: Path) -> None:
    """Take the stamp away before the outputs are touched."""
    (folder / NAME).unlink(missing_ok=True)


def make(folder: Path, wanted: str, outputs: Iterable[Path]) -> None:
    """Write the stamp, last of all; every output lies under `folder`."""
    sizes = {file.relative_to(folder).as_posix(): file.lstat().st_size for file in outputs}
    write(folder / NAME, json.dumps({"key": wanted, "outputs": sizes}, sort_keys=True, indent=1) + "\n")


def write(file: Path, text: str | bytes) -> None:
    """Write beside, flush, then rename: the file is the old one or the new one, never half."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Two actions of one run are two threads of one process.
    beside = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_native_id()}.tmp")
    with beside.open("wb") as out:
        out.write(text.encode() if isinstance(text, str) else text)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)


def digest(file: Path) -> str:
    """sha256 of a file, 64 hex digits, read in pieces of 1 MiB."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_tree(folder: Path) -> str:
    """sha256 over the names, modes and bytes of every file and link under a folder of ours (small: sources, not data)."""
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_symlink():
            total.update(f"l {name} {os.readlink(file)}\0".encode())
        elif file.is_file() and "__pycache__" not in file.parts:
            total.update(f"f {name} {file.stat().st_mode & 0o111:o} {digest(file)}\0".encode())
    return total.hexdigest()
