# SPDX-License-Identifier: Apache-2.0
"""Would the board's loader start this program: its machine, its loader, its libraries where they are looked for, their symbols."""

from __future__ import annotations

import posixpath
from pathlib import PurePosixPath

from kiln.errors import ImageError, one_line
from kiln.image import elf
from kiln.image.tree import File, Tree

LARGEST = 1 << 30
LOADERS = {"arm64-v8a": "/lib/ld-musl-aarch64.so.1", "armeabi-v7a": "/lib/ld-musl-arm.so.1", "x86_64": "/lib/ld-musl-x86_64.so.1"}
_ITSELF = {f"lib{name}.so" for name in ("c", "pthread", "rt", "m", "dl", "util", "xnet")}       # what musl's loader is, too
_OURS = ("/vendor/bin/", "/kiln/")     # a base's own libraries may want symbols of what loads them
_WIDE = ("/system/lib64", "/vendor/lib64", "/lib64", "/lib", "/usr/lib")
_NARROW = ("/system/lib", "/vendor/lib", "/lib", "/usr/lib")


class Programs:
    """The programs and libraries of one tree; each is read once. `checked` are the paths that passed."""

    def __init__(self, tree: Tree, abi: str) -> None:
        self.tree, self.abi = tree, abi
        self.checked: list[str] = []
        self._read: dict[str, elf.Program] = {}
        # OpenHarmony's loader has them in its namespaces: ndk, platformsdk, chipset-sdk ...
        roots = (_WIDE if elf.MACHINES[abi][0] == 64 else _NARROW)[:2]
        self._inner = [f"{root}/{name}" for root in roots for name in tree.names(root) if "." not in name]

    def check(self, file: File) -> None:
        """Raises ImageError naming what is missing or wrong; a file that is no ELF passes."""
        if file.path not in self._read and not elf.is_elf(file.content(LARGEST)):
            return
        program, (bits, machine) = self._program(file), elf.MACHINES[self.abi]
        if (program.bits, program.machine) != (bits, machine):
            raise ImageError(f"is for {program.bits}-bit {elf.NAMES.get(program.machine, program.machine)}, the board takes "
                             f"{bits}-bit {elf.NAMES[machine]} ({self.abi})", where=file.path)
        name = posixpath.basename(file.path)
        if program.soname and program.soname != name:
            raise ImageError(f"has the SONAME {one_line(program.soname, 80)}, and lies there as {name}", where=file.path)
        loader = self.tree.find(program.interpreter) if program.interpreter else file
        if loader is None or loader is not file and not loader.stat.mode & 0o001:   # whoever starts a program executes its loader
            wrong = f"is not for all to execute: mode {loader.stat.mode & 0o7777:04o}" if loader else "is not there"
            raise ImageError(f"needs the loader {one_line(program.interpreter, 120)}, which {wrong}", where=file.path)
        given = self._given(file, program)
        lost = sorted(program.wants - given) if program.needed else []
        if lost and any(part in file.path for part in _OURS):
            more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
            raise ImageError(f"wants the symbol {one_line(lost[0], 120)}{more}, which none of its libraries gives", where=file.path)
        self.checked.append(file.path)

    def _program(self, file: File) -> elf.Program:
        if file.path not in self._read:
            self._read[file.path] = elf.read(file.content(LARGEST), file.path)
        return self._read[file.path]

    def _given(self, file: File, program: elf.Program) -> set[str]:
        """The symbols that it and all libraries that it needs have."""
        given, waiting, seen = set(program.gives), [(file.path, program)], {file.path}
        while waiting:
            by, one = waiting.pop()
            for wanted in one.needed:
                library = self._library(wanted, by, (*one.runpath, *program.runpath))
                if library.path not in seen:
                    seen.add(library.path)
                    given |= self._program(library).gives
                    waiting.append((library.path, self._program(library)))
        return given

    def _library(self, name: str, by: str, runpath: tuple[str, ...]) -> File:
        """As the loader finds it: beside who needs it, then in the board's folders; for musl's own the loader itself."""
        origin = str(PurePosixPath(by).parent)
        folders = [part.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for part in runpath]
        wide = elf.MACHINES[self.abi][0] == 64
        places = [posixpath.normpath(f"{folder}/{name}") for folder in (*folders, *(_WIDE if wide else _NARROW))]
        for place in (*places, *(f"{folder}/{name}" for folder in self._inner), *([LOADERS[self.abi]] if name in _ITSELF else [])):
            found = self.tree.find(place)
            if found and found.stat.regular:
                return found
        raise ImageError(f"needs {one_line(name, 120)}, which is not there", where=by)
