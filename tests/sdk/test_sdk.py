# SPDX-License-Identifier: Apache-2.0
"""The stand-in SDK: its programs run, shared and static, and it is the same bytes wherever it is made."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from checkout import Built
from kiln import results, sdk, share
from kiln.errors import Refused
from kiln.results import Input, Toolchain, Tree
from native import arm

SOURCES = share.root() / "tests" / "data" / "cxx"
TEMPLATE = share.folder("sandbox") / "sdk"
PROCESSOR = {"arm64-v8a": "aarch64", "armeabi-v7a": "armv7", "x86_64": "x86_64"}
EMULATOR = {"arm64-v8a": ["qemu-aarch64-static"], "armeabi-v7a": ["qemu-arm-static"], "x86_64": []}
ABIS = tuple(PROCESSOR)


@pytest.fixture(scope="session")
def zig(virt: Built) -> Tree:
    return results.load(Tree, next(virt.build.glob(f"src/ziglang-*/{results.NAME}")))


@pytest.fixture(scope="session")
def toolchain(virt: Built) -> Callable[[str], Toolchain]:
    """The toolchain for an ABI: the session's own build has two of them, the third is made for tests alone, once."""
    made: dict[str, Toolchain] = {}

    def get(abi: str) -> Toolchain:
        if abi not in made:
            made[abi] = arm.toolchain(virt) if abi == arm.ABI else virt.toolchain(abi)
        return made[abi]

    return get


def make(zig: Tree, abi: str, folder: Path) -> Toolchain:
    return sdk.from_zig(zig, TEMPLATE, abi, folder / "sdk", key="0" * 64, log=folder / "log", scratch=folder / "scratch")


def compiler(toolchain: Toolchain, suffix: str = "++") -> Path:
    return toolchain.root / "llvm/bin" / f"{PROCESSOR[toolchain.abi]}-unknown-linux-ohos-clang{suffix}"


def ran(*argv: object, cwd: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in argv], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.fast
def test_an_abi_that_nobody_makes_is_refused(tmp_path: Path) -> None:
    tree = Tree(tmp_path, Input("ziglang", "pypi", "0", "0" * 64, 0, "MIT"))
    with pytest.raises(Refused, match="no stand-in SDK for 'riscv64'.*known: arm64-v8a"):
        sdk.from_zig(tree, TEMPLATE, "riscv64", tmp_path / "sdk", key="", log=tmp_path / "log", scratch=tmp_path / "s")
    with pytest.raises(Refused, match="holds no zig"):
        sdk.from_zig(tree, TEMPLATE, "arm64-v8a", tmp_path / "sdk", key="", log=tmp_path / "log", scratch=tmp_path / "s")
    assert not (tmp_path / "sdk").exists()


@pytest.mark.ci
@pytest.mark.parametrize("abi", ABIS)
def test_a_static_program_runs(toolchain: Callable[[str], Toolchain], abi: str, tmp_path: Path) -> None:
    """C++ with exceptions, threads, regex and file names, on this machine or under QEMU's user mode."""
    program = tmp_path / "catcher"
    sources = [f"-I{SOURCES}/include", SOURCES / "catcher.cpp", SOURCES / "thrower.cpp"]
    ran(compiler(toolchain(abi)), "-O2", "-static", "-s", "-Wl,--gc-sections", *sources, "-o", program)
    assert ran(*EMULATOR[abi], program) == "right"
    assert program.stat().st_size < 1 << 20


@pytest.mark.ci
def test_an_exception_crosses_a_shared_library(virt: Built, toolchain: Callable[[str], Toolchain], tmp_path: Path) -> None:
    """Shared, with the loader and C library that the virtual board gets; each thread counts its own calls across it too."""
    arm64 = toolchain("arm64-v8a")
    root = _board_root(virt, tmp_path / "root")
    shutil.copy(arm64.runtime, root / "lib" / arm64.runtime.name)
    _link_shared(arm64, root / "lib")
    assert ran("qemu-aarch64-static", "-L", root, root / "lib/catcher") == "right"


@pytest.mark.ci
@pytest.mark.parametrize("abi", ABIS)
def test_a_shared_program_needs_what_a_board_has(toolchain: Callable[[str], Toolchain], abi: str, tmp_path: Path) -> None:
    from kiln.native import elf

    _link_shared(toolchain(abi), tmp_path)
    program, library = elf.read(tmp_path / "catcher"), elf.read(tmp_path / "libthrower.so")
    loader = {"arm64-v8a": "aarch64", "armeabi-v7a": "arm", "x86_64": "x86_64"}[abi]
    assert program.interpreter == f"/lib/ld-musl-{loader}.so.1"
    assert set(program.needed) == {"libthrower.so", "libc++_shared.so", "libc.so"}
    assert set(library.needed) == {"libc++_shared.so", "libc.so"}
    assert any(name.startswith("_ZNKSt4__n1") or name.startswith("_ZNSt4__n1") for name in program.imports), "the ohos-sdk's namespace"
    wanted = elf.Wanted(abi, "", (toolchain(abi).root, tmp_path, Path.home()))
    for file in (program.file, library.file, toolchain(abi).runtime):
        elf.check(file, wanted)


def _link_shared(toolchain: Toolchain, into: Path) -> None:
    clang = compiler(toolchain)
    ran(clang, "-O2", "-s", "-shared", "-fPIC", "-Iinclude", "thrower.cpp", "-Wl,-soname,libthrower.so", "-o", into / "libthrower.so", cwd=SOURCES)
    ran(clang, "-O2", "-s", "-Iinclude", "catcher.cpp", "-L", into, "-lthrower", "-Wl,-rpath,$ORIGIN", "-o", into / "catcher", cwd=SOURCES)


def _board_root(virt: Built, root: Path) -> Path:
    """A root for QEMU's user mode with the loader of the pin musl-arm64."""
    (root / "lib").mkdir(parents=True)
    tree = results.load(Tree, next(virt.build.glob(f"src/musl-arm64-*/{results.NAME}"))).root
    shutil.copy(next(tree.rglob("aarch64-linux-musl/libc.so")), root / "lib/ld-musl-aarch64.so.1")
    return root


@pytest.mark.ci
def test_two_makings_are_the_same_bytes(zig: Tree, toolchain: Callable[[str], Toolchain], tmp_path: Path) -> None:
    """Another folder, another place of the wheel, another umask: only zig.path may differ, and no file tells where it was made."""
    there = tmp_path / "the wheel, elsewhere"
    shutil.copytree(zig.root, there, copy_function=os.link)
    before = os.umask(0o077)
    try:
        second = make(Tree(there, zig.input), "arm64-v8a", tmp_path / "another one")
    finally:
        os.umask(before)
    shutil.rmtree(there)
    first = toolchain("arm64-v8a")
    names = sorted(file.relative_to(first.root) for file in first.root.rglob("*") if file.is_file())
    assert names == sorted(file.relative_to(second.root) for file in second.root.rglob("*") if file.is_file())
    hidden = [os.fsencode(path) for path in (first.root, second.root, zig.root, tmp_path)]
    for name in names:
        data = (first.root / name).read_bytes()
        assert name.name == "zig.path" or data == (second.root / name).read_bytes(), name
        assert not any(path in data for path in hidden), name
    shutil.rmtree(second.root)


@pytest.mark.ci
def test_it_may_be_moved_with_the_wheel(zig: Tree, toolchain: Callable[[str], Toolchain], tmp_path: Path) -> None:
    """A kept SDK is put back into another checkout: it finds zig by the relative place."""
    made = toolchain("x86_64")
    relative = os.path.relpath(zig.root.resolve(), made.root)
    moved = tmp_path / "a/b/c/d/e/f/native"
    shutil.copytree(made.root, moved, copy_function=os.link)
    target = Path(os.path.normpath(moved / relative))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(zig.root)
    program = tmp_path / "catcher"
    clang = moved / "llvm/bin/x86_64-unknown-linux-ohos-clang++"
    ran(clang, "-static", f"-I{SOURCES}/include", SOURCES / "catcher.cpp", SOURCES / "thrower.cpp", "-o", program)
    assert ran(program) == "right"
    shutil.rmtree(moved)
