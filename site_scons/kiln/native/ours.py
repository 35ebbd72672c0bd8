# SPDX-License-Identifier: Apache-2.0
"""A native target of our own: a CMake project below native/, built for the board, or as static programs of this machine.

The project finds a target that it needs by two variables: KILN_<NAME>_SOURCE is its source tree (headers) and KILN_<NAME>_BUILT the
folder of its files for the same ABI; <NAME> in capitals, with _ for all that is no letter or digit (llama.cpp: LLAMA_CPP). Every
program and library that it links is what comes out.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln import share, stamp
from kiln.errors import ElfError, Refused
from kiln.native import cmake, elf, kept
from kiln.product import Native
from kiln.progress import Progress, silent
from kiln.results import Artifacts, Toolchain

PROJECT = "CMakeLists.txt"


@dataclass(frozen=True)
class Need:
    """A target that this one needs: its name, its source tree, and what was built of it (None: only headers are wanted)."""

    name: str
    source: Path
    built: Artifacts | None = None

    @property
    def variable(self) -> str:
        """KILN_<NAME>, to which _SOURCE and _BUILT are added."""
        return "KILN_" + re.sub(r"[^A-Z0-9]", "_", self.name.upper())


def digest(source: Path) -> str:
    """Of all that a project of ours is made of: its folder, and the folders of native/ that are no project: shared headers.

    Raises Refused if there is no project.
    """
    if not (source / PROJECT).is_file():
        raise Refused(f"{source.parent.name}/{source.name} has no {PROJECT}", hint="a native target of ours is a CMake project")
    shared = sorted(folder for folder in share.folder("native").iterdir() if folder.is_dir() and not (folder / PROJECT).is_file())
    return stamp.key(*(f"{folder.name} {stamp.digest_tree(folder)}" for folder in (source, *shared)))


def build(native: Native, source: Path, toolchain: Toolchain, *, march: str, folder: Path, key: str, log: Path, jobs: int,
          ccache: Path | None, needs: Sequence[Need] = (), hide: tuple[Path, ...] = (), static: bool = False,
          progress: Progress = silent) -> Artifacts:
    """The project's files in `folder`/out, each of which goes into `native.install` on the board.

    What a file needs must be in the project, in a target that it needs, or on every OpenHarmony. `static` gives programs
    that need nothing, which this machine can run. Raises ElfError if a file is not what the board needs.
    """
    options = {f"CMAKE_{kind}_OUTPUT_DIRECTORY": str(folder / "obj/bin") for kind in ("RUNTIME", "LIBRARY")}
    for need in needs:
        options[f"{need.variable}_SOURCE"] = str(need.source)
        if need.built and need.built.items:
            options[f"{need.variable}_BUILT"] = os.path.commonpath([item.file.parent for item in need.built.items])
    shutil.rmtree(folder / "obj/bin", ignore_errors=True)  # what the project links no more must not come out: the rest is linked again
    lib = kept.libraries("/vendor", toolchain.abi)
    path = "$ORIGIN" if not native.install else f"$ORIGIN:$ORIGIN/{os.path.relpath(lib, native.install)}"
    link = cmake.Link(static=True) if static else cmake.Link(program_path=path, library_path=path)
    cmake.build(source, toolchain, targets=native.targets, options=options, obj=folder / "obj", log=log, jobs=jobs, ccache=ccache,
                link=link, flags=_maps(source, folder / "obj", needs), progress=progress, what=source.name)
    made = kept.files(folder / "obj/bin")
    if not made:
        raise ElfError("links no program and no library", where=source / PROJECT)
    theirs = {item.file.name: item.file for need in needs if need.built for item in need.built.items}
    elf.closure(made, {**theirs, **made}, kept.SYSTEM)
    wanted = elf.Wanted(toolchain.abi, march, (*hide, toolchain.root, source, *(need.source for need in needs), Path.home()))
    out, items = kept.emptied(folder / "out"), []
    for name, file in made.items():
        runs = elf.check(file, wanted).interpreter or static
        items.append((kept.program if runs else kept.library)(file, out / name, f"{native.install}/{name}" if native.install else "",
                                                              f"kiln {source.name}"))
    return kept.saved(items, key, out)


def _maps(source: Path, obj: Path, needs: Sequence[Need]) -> list[str]:
    """Names in __FILE__ for the folders beside the project, as they are and as ccache writes them."""
    folders = {source.parent: "native", **{need.source: need.name for need in needs}}
    return [f"-ffile-prefix-map={path}={name}" for folder, name in folders.items() for path in (folder, os.path.relpath(folder, obj))]
