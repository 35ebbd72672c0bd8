# SPDX-License-Identifier: Apache-2.0
"""The reference NNRt as libraries of this machine, for tests that load it: compiled once for each content and kind, and kept.

`gnu` is for programs of the host's own C library (Python's ctypes too), by `zig c++`; any Toolchain gives one for musl.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kiln import results, share, stamp

HOME = share.folder("sandbox") / "ohos/foundation/ai/neural_network_runtime"
HEADERS = HOME / "interfaces/kits/c"
_NATIVE = HOME / "frameworks/native"
_CORE, _RUNTIME = ("neural_network_core",), ("neural_network_runtime", "reference_device")
_MACHINE = platform.machine()
# As the host tools of llama.cpp: AVX2, FMA and F16C are wherever these tests run.
_FAST = {"x86_64": ("-mavx2", "-mfma", "-mf16c")}
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Werror", "-pthread",
         f"-I{HEADERS}", f"-I{_NATIVE}")


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler with the words that choose its target; `key` is what its output hangs on."""

    argv: tuple[str, ...]
    key: str
    machine: str

    def run(self, *words: object) -> None:
        """Compile or link. Raises AssertionError with what the compiler said."""
        done = subprocess.run([*self.argv, *map(str, words)], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr[-4000:]


def gnu(build: Path) -> Compiler:
    """`zig c++` for this machine's own C library; its C++ library, compiled once into zig's own cache, goes into what it links. `build` holds a finished virt."""
    tree = results.load(results.Tree, next(build.glob(f"src/ziglang-*/{results.NAME}")))
    zig = next(file for file in (tree.root / "ziglang/zig", tree.root / "zig") if file.is_file())
    argv = (str(zig.resolve()), "c++", "-target", f"{_MACHINE}-linux-gnu.2.31", "-Qunused-arguments", "-fno-sanitize=all")
    return Compiler(argv, stamp.key(tree.identity, *argv[1:]), _MACHINE)


def musl(toolchain: results.Toolchain) -> Compiler:
    """The clang of an SDK, for the board that it is for."""
    name = {"arm64-v8a": "aarch64", "armeabi-v7a": "armv7", "x86_64": "x86_64"}[toolchain.abi]
    argv = (str(toolchain.root / f"llvm/bin/{name}-unknown-linux-ohos-clang++"), "-static-libstdc++", "-Wl,--exclude-libs,ALL")
    return Compiler(argv, stamp.key(toolchain.identity, toolchain.abi), name)


def library(build: Path, compiler: Compiler, *, level: int = 18) -> Path:
    """The folder that holds libneural_network_core.so and libneural_network_runtime.so, or the one library of up to API 10."""
    key = stamp.key(stamp.digest_tree(HOME), compiler.key, str(level), *FLAGS)
    folder = build / "nnrt" / key[:16]
    if not folder.is_dir():
        scratch = folder.with_name(f".{key[:16]}.{os.getpid()}")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        _compile(compiler, scratch, level)
        for old in scratch.glob("*.o"):
            old.unlink()
        try:
            scratch.rename(folder)
        except OSError:                        # another run was first
            shutil.rmtree(scratch)
    return folder


def program(compiler: Compiler, source: Path, into: Path) -> None:
    """A static program of one source with the whole of the reference in it."""
    objects = into.with_suffix(".objects")
    objects.mkdir()
    core, runtime = _objects(compiler, objects, 18)
    compiler.run(*FLAGS, "-static", "-s", source, *core, *runtime, "-o", into)


def _objects(compiler: Compiler, into: Path, level: int) -> tuple[list[Path], list[Path]]:
    """The objects of the core and of the runtime library."""
    sources = [file for folder in (*_CORE, *_RUNTIME) for file in sorted((_NATIVE / folder).glob("*.cpp"))]
    words = [*FLAGS, *_FAST.get(compiler.machine, ()), f"-DNNRT_API_LEVEL={level}", *(["-DNNRT_ONE_LIBRARY"] if level < 11 else [])]
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        list(pool.map(lambda file: compiler.run(*words, "-c", file, "-o", into / f"{file.stem}.o"), sources))
    core, runtime = ([into / f"{file.stem}.o" for file in sources if file.parent.name in names] for names in (_CORE, _RUNTIME))
    return core, runtime


def _compile(compiler: Compiler, into: Path, level: int) -> None:
    core, runtime = _objects(compiler, into, level)
    if level < 11:
        _link(compiler, into / "libneural_network_runtime.z.so", core + runtime)
        return
    _link(compiler, into / "libneural_network_core.so", core)
    _link(compiler, into / "libneural_network_runtime.so", runtime, into / "libneural_network_core.so")


def _link(compiler: Compiler, file: Path, objects: list[Path], *needed: Path) -> None:
    compiler.run("-shared", "-pthread", "-s", "-Wl,--no-undefined", "-Wl,--gc-sections", f"-Wl,-soname,{file.name}", "-Wl,-rpath,$ORIGIN",
                 *objects, *needed, "-o", file)
