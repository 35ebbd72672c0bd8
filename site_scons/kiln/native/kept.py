# SPDX-License-Identifier: Apache-2.0
"""What is kept of a native build: each file copied to where it stays, with its place, mode, owner and label on the board."""

from __future__ import annotations

import shutil
from pathlib import Path

from kiln import results, stamp
from kiln.results import Artifact, Artifacts

SYSTEM = frozenset({"libc.so"})        # musl, with its threads, mathematics and loader: on every OpenHarmony


def libraries(install: str, abi: str) -> str:
    """The folder of our shared libraries on the board, below the mount point `install`."""
    return f"{install}/{'lib64' if abi != 'armeabi-v7a' else 'lib'}/kiln"


def files(folder: Path) -> dict[str, Path]:
    """What the linker wrote, under every name that a link gives it: libllama.so.0 is the file libllama.so.0.5.0."""
    return {file.name: file for file in sorted(folder.iterdir()) if file.is_file()} if folder.is_dir() else {}


def program(source: Path, file: Path, dest: str, origin: str) -> Artifact:
    """A program of the board."""
    return artifact(source, file, dest, 0o755, 2000, "u:object_r:vendor_bin_file:s0", origin)


def library(source: Path, file: Path, dest: str, origin: str) -> Artifact:
    """A shared library of the board."""
    return artifact(source, file, dest, 0o644, 0, "u:object_r:vendor_lib_file:s0", origin)


def artifact(source: Path, file: Path, dest: str, mode: int, gid: int, label: str, origin: str) -> Artifact:
    """Copy a result to where it stays; `mode` also holds here, so that a program of this machine runs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, file)
    file.chmod(mode)
    return Artifact(file=file, dest=dest, mode=mode, uid=0, gid=gid, label=label, origin=origin,
                    sha256=stamp.digest(file), size=file.stat().st_size)


def emptied(folder: Path) -> Path:
    """The folder, new."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def saved(items: list[Artifact], key: str, out: Path) -> Artifacts:
    """The artifacts as a result in `out`."""
    made = Artifacts(tuple(items), key)
    results.save(made, out)
    return made
