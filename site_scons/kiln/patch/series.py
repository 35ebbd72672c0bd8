# SPDX-License-Identifier: Apache-2.0
"""The patches of a folder in their order: `NNNN-*.patch` for the root, below a path for the repository of that path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kiln import stamp
from kiln.errors import PatchError
from kiln.patch.parse import Patch, plain, read

_NAME = re.compile(r"\d{4}-.+\.patch")


def series(*folders: Path) -> tuple[Patch, ...]:
    """Every patch of the folders, by repository, then folder, then file name; a folder that is not there has none.

    Text for people (`*.md`) may lie beside them; anything else is refused, so no patch is passed over for its name.
    """
    return tuple(read(file, repository) for repository, file in _files(folders))


def digest(*folders: Path) -> str:
    """sha256 over the repositories and bytes of a series, in order, for the key of a step; "" where there are none."""
    listed = [[repository, stamp.digest(file)] for repository, file in _files(folders)]
    return stamp.key("patches", listed) if listed else ""


def digest_of(patches: Sequence[Patch]) -> str:
    """The same for a series that is read already."""
    return stamp.key("patches", [[patch.repository, patch.sha256] for patch in patches]) if patches else ""


def _files(folders: tuple[Path, ...]) -> list[tuple[str, Path]]:
    every = [(repository, number, file.name, file) for number, folder in enumerate(folders) for repository, file in _below(folder)]
    return [(repository, file) for repository, _, _, file in sorted(every)]


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(folder.rglob("*") if folder.is_dir() else ()):
        if file.is_dir() and not file.is_symlink():
            continue
        if _NAME.fullmatch(file.name) and file.is_file():
            above = file.parent.relative_to(folder).as_posix()
            yield ("" if above == "." else plain(above)), file
        elif file.suffix != ".md":
            raise PatchError("is no patch by its name", where=file, hint="patches are called NNNN-what.patch, notes *.md")
