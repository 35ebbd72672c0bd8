# SPDX-License-Identifier: Apache-2.0
"""The libraries of the SDK: musl and compiler-rt as zig builds them, libc++ and libunwind by the SDK's own compiler."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path

from kiln import run
from kiln.errors import ProgramError
from kiln.progress import Progress, counted
from kiln.sdk import archive, recipe
from kiln.sdk.target import Target

_ZIG = "libclang_rt.zig.a"
_EMPTY = ("m", "dl", "pthread", "rt", "util", "crypt", "resolv", "xnet")


def make(wheel: Path, target: Target, root: Path, version: str, *, scratch: Path, log: Path, jobs: int,
         progress: Progress) -> None:
    """Fill the SDK's library folders. No object of it holds a path or a time."""
    libraries = root / "sysroot/usr/lib" / target.triple
    builtins = root / "llvm/lib/clang" / version / "lib" / target.triple / "libclang_rt.builtins.a"
    for folder in (libraries, builtins.parent, root / "llvm/lib" / target.triple):
        folder.mkdir(parents=True)
    _from_zig(wheel, target, root, libraries / "libc.a", builtins, scratch=scratch, log=log)
    for name in _EMPTY:
        _pack(root, libraries / f"lib{name}.a", (), scratch / "empty", log)
    _from_source(wheel, target, root, version, scratch=scratch, log=log, jobs=jobs, progress=progress)


def _from_zig(wheel: Path, target: Target, root: Path, libc: Path, builtins: Path, *, scratch: Path, log: Path) -> None:
    """libc.a and the builtins, out of the link line of a static program that `zig cc` makes in a cache of ours.

    musl alone will not do: zig writes a part of the C library in its own language (libzigc.a). Its builtins are one
    object with a memcpy of its own, which came with all else (340 KB) into every library, since the driver names the
    builtins before -lc; so the file of that name is a linker script that asks the C library first.
    """
    cache, program = scratch / "zig", scratch / "main.c"
    program.write_text("int main(void) { return 0; }\n")
    said = run.run([wheel / "zig", "cc", "-target", target.zig, f"-mcpu={target.cpu}", "-static", "-fPIC", "-O2", "-g0", "-s", "-v",
                    program.name, "-o", "main"], cwd=scratch, log=log, keep=400,
                   env={"ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)})
    link = next((text for text in reversed(said.tail) if text.startswith("ld.lld ")), "")
    made = {Path(word).name: scratch / word for word in shlex.split(link) if word.endswith(".a")}
    if not {"libc.a", "libzigc.a", "libcompiler_rt.a"} <= set(made):
        raise ProgramError("zig cc linked a static program without libc.a, libzigc.a or libcompiler_rt.a", hint=f"log: {log}")
    _pack(root, libc, (made["libc.a"], made["libzigc.a"]), scratch / "libc", log)
    _pack(root, builtins.with_name(_ZIG), (made["libcompiler_rt.a"],), scratch / "builtins", log)
    builtins.write_text(f"INPUT(-lc {_ZIG})\n")


def _pack(root: Path, into: Path, sources: Iterable[Path], folder: Path, log: Path) -> None:
    """An archive of the members of others under plain names, without times and owners."""
    folder.mkdir(exist_ok=True)
    names: list[str] = []
    for source in sources:
        for name, body in archive.members(source):
            name = name if name not in names else f"{len(names)}-{name}"
            (folder / name).write_bytes(body)
            names.append(name)
    (folder / "members").write_text("".join(f"{name}\n" for name in names))
    run.run([root / "llvm/bin/llvm-ar", "rcsD", into, *(["@members"] if names else [])], cwd=folder, log=log)


def _from_source(wheel: Path, target: Target, root: Path, version: str, *, scratch: Path, log: Path, jobs: int,
                 progress: Progress) -> None:
    """Compile what recipe.py lists, and put it into the two library folders."""
    obj = scratch / "obj"
    obj.mkdir()
    (obj / "empty.c").touch()
    (obj / "build.ninja").write_text(recipe.ninja(wheel, target, root, version))
    with progress(0, f"libc++ for {target.abi}", "steps") as update:
        run.run(["ninja", "-j", str(jobs)], cwd=obj, log=log, line=counted(update))
    system, cxx = root / "sysroot/usr/lib" / target.triple, root / "llvm/lib" / target.triple
    for names, into in (((*recipe.START, "libc.so"), system), (recipe.LIBRARIES, cxx)):
        for name in names:
            shutil.copyfile(obj / name, into / name)
    (cxx / "libc++.so").write_text("INPUT(libc++_shared.so)\n")
    (cxx / "libc++.a").write_text("INPUT(libc++_static.a libc++abi.a)\n")
