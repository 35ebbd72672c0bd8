# SPDX-License-Identifier: Apache-2.0
"""A Toolchain laid out as ohos-sdk/linux/native: the stand-in, made out of the ziglang wheel for one ABI.

The compiler is the clang inside zig, called as `zig clang`: the raw driver, which knows LLVM's OHOS targets and takes
normal flags. The C library is the musl that zig carries (static, and a stub to link shared programs against), the C++
library the libc++ that it carries. Nothing here holds a path of this machine but `zig.path`, which is relative: the
folder may be kept and put back into another checkout.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kiln import results, stamp
from kiln.errors import Refused, known
from kiln.progress import Progress, silent
from kiln.results import Toolchain, Tree
from kiln.sdk import layout, runtime
from kiln.sdk.target import TARGETS, Target

VERSION = "22"                         # clang's major version, the name of its resource folder


def from_zig(zig: Tree, template: Path, abi: str, into: Path, *, key: str, log: Path, scratch: Path, jobs: int = 2,
             progress: Progress = silent) -> Toolchain:
    """Make the stand-in SDK for `abi` in `into`/native and save its Toolchain in `into`.

    `template` is sandbox/sdk; `scratch` holds zig's cache and the objects, and is emptied before and after. Raises
    Refused for an unknown ABI or a tree without zig, ProgramError if a compiler run fails.
    """
    if abi not in TARGETS:
        raise Refused(f"no stand-in SDK for {abi!r}", hint=known(abi, TARGETS))
    target, wheel, root = TARGETS[abi], _wheel(zig), into / "native"
    for folder in (scratch, root):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    layout.lay(wheel, template, target, root, VERSION)
    runtime.make(wheel, target, root, VERSION, scratch=scratch, log=log, jobs=jobs, progress=progress)
    shutil.rmtree(scratch, ignore_errors=True)
    made = _toolchain(root, target, key, zig.identity)
    results.save(made, into)
    return made


def _toolchain(root: Path, target: Target, key: str, wheel: str) -> Toolchain:
    """Its identity is the compiler and how it is called; a compiler cache looks at the headers by itself."""
    identity = stamp.key(wheel, VERSION, (root / "llvm/bin/clang").read_text())
    return Toolchain(root=root, file=root / "build/cmake/ohos.toolchain.cmake", abi=target.abi, triple=target.triple,
                     identity=f"kiln-sdk-{identity[:32]}", runtime=root / "llvm/lib" / target.triple / "libc++_shared.so",
                     sandbox=True, key=key)


def _wheel(zig: Tree) -> Path:
    """The folder of the wheel that holds the program zig and its lib."""
    for folder in (zig.root, zig.root / "ziglang"):
        if (folder / "zig").is_file() and (folder / "lib/libcxx/src").is_dir():
            if not os.access(folder / "zig", os.X_OK):
                (folder / "zig").chmod(0o755)
            return folder.resolve()
    raise Refused("the ziglang tree holds no zig with its libraries", where=zig.root, hint="is the pin the ziglang wheel?")
