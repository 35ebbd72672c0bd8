# SPDX-License-Identifier: Apache-2.0
"""A compiler that only pretends, for trees that build in a second; and where the template lies."""

from __future__ import annotations

from pathlib import Path

from kiln import share, system
from kiln.results import Toolchain
from kiln.system import generations

TEMPLATE = share.folder("sandbox") / "ohos"
ROW = generations.named(system.SANDBOX)

# Writes what -o names and an empty list of dependencies; a library's second file is the second -o.
PRETEND = """#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
    -o) shift; echo "made by nobody" > "$1" ;;
    -MF) shift; echo "x.o:" > "$1" ;;
    esac
    shift
done
"""


def fake_toolchain(folder: Path, clang: str = PRETEND) -> Toolchain:
    """An SDK whose compiler is the shell script `clang`."""
    root = folder / "native"
    (root / "llvm/bin").mkdir(parents=True, exist_ok=True)
    for name in ("clang", "clang++"):
        (root / "llvm/bin" / name).write_text(clang)
        (root / "llvm/bin" / name).chmod(0o755)
    return Toolchain(root=root, file=root / "ohos.toolchain.cmake", abi="arm64-v8a", triple="aarch64-linux-ohos", identity="fake",
                     runtime=root / "libc++_shared.so", sandbox=True, key=str(len(clang)))
