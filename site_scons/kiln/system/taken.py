# SPDX-License-Identifier: Apache-2.0
"""Files out of a tree that is not ours, copied to where the next build in it does not change them; what is unchanged is not touched."""

from __future__ import annotations

import json
from pathlib import Path

from kiln import run, stamp


def all_of(folder: Path, into: Path) -> Path:
    """Every file of a folder; what it no longer has goes. Gives `into`."""
    names = sorted(file.name for file in folder.iterdir() if file.is_file())
    for name in names:
        take(folder / name, into / name)
    for file in into.iterdir():
        if file.name not in {*names, *(f".{name}.{what}" for name in names for what in ("from", "sha256"))}:
            file.unlink()
    return into


def take(source: Path, target: Path) -> Path:
    """One file, holes kept and blocks shared where the file system can; gives the copy.

    What the source was is noted beside it: size, times, inode. A source that is just that is not read again (an image has 2 GiB).
    """
    found, note = source.stat(), target.with_name(f".{target.name}.from")
    seen = json.dumps([str(source), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino])
    if target.is_file() and target.stat().st_size == found.st_size and note.is_file() and note.read_text() == seen:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.tmp")
    note.unlink(missing_ok=True)
    run.run(["cp", "--reflink=auto", "--sparse=always", "--", str(source), str(beside)])
    beside.replace(target)
    stamp.write(note, seen)
    return target


def digest(folder: Path) -> str:
    """Of the bytes of every file of a folder of copies; a file whose note stands is not read again."""
    rows = []
    for file in sorted(folder.iterdir()):
        if file.name.startswith("."):
            continue
        note, seen = file.with_name(f".{file.name}.sha256"), f"{file.stat().st_size} {file.stat().st_mtime_ns} {file.stat().st_ino}"
        known = note.read_text().split("\n") if note.is_file() else []
        if known[:1] != [seen]:
            known = [seen, stamp.digest(file)]
            stamp.write(note, "\n".join(known))
        rows.append([file.name, known[1]])
    return stamp.key(rows)
