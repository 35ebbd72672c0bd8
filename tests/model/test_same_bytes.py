# SPDX-License-Identifier: Apache-2.0
"""A quantized file does not hang on what compiled the quantizers or on the machine they run on, and without our flag it does.

A small driver over ggml's own quantizers is compiled by each compiler that is there, at -O3 as llama.cpp is, for x86-64 and arm64
(under QEMU). The whole llama-quantize by each of them, on two models and every recipe, is `long`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from checkout import ROOT, Built
from kiln import results, share, stamp
from kiln.model import found, recipes

OFF = "-ffp-contract=off"
SANDBOX = share.root() / "sandbox/model"
NARROW = share.root() / "tests/data/narrow-f16.gguf"
QEMU = "qemu-aarch64-static"


@dataclass(frozen=True)
class Compiler:
    """A C and a C++ compiler, the words that choose the target, and what runs its programs."""

    name: str
    c: tuple[str, ...]
    cxx: tuple[str, ...]
    runner: tuple[str, ...] = ()


def compilers(virt: Built) -> Iterator[Compiler]:
    """Those that are on this machine: gcc, Debian's clang (KILN_CLANG: its bin folder), zig's clang as SDK for two ABIs, `zig cc`."""
    if shutil.which("gcc") and shutil.which("g++"):
        yield Compiler("gcc", ("gcc",), ("g++",))
    if shutil.which("aarch64-linux-gnu-gcc"):
        yield Compiler("gcc arm64", ("aarch64-linux-gnu-gcc", "-static"), ("aarch64-linux-gnu-g++", "-static"), (QEMU,))
    clang = Path(os.environ.get("KILN_CLANG", "")) / "clang"
    if clang.is_file() or shutil.which("clang"):
        argv = str(clang) if clang.is_file() else "clang"
        yield Compiler("clang", (argv,), (f"{argv}++",))
    for abi, triple in (("x86_64", "x86_64"), ("arm64-v8a", "aarch64")):
        tool = virt.toolchain(abi).root / "llvm/bin" / f"{triple}-unknown-linux-ohos-clang"
        yield Compiler(f"zig clang {abi}", (str(tool), "-static"), (f"{tool}++", "-static"), (QEMU,) if abi == "arm64-v8a" else ())
    tree = results.load(results.Tree, next(virt.build.glob(f"src/ziglang-*/{results.NAME}"))).root
    zig = next(str(file.resolve()) for file in (tree / "ziglang/zig", tree / "zig") if file.is_file())
    yield Compiler("zig cc", (zig, "cc", "-fno-sanitize=all"), (zig, "c++", "-fno-sanitize=all"))


def upstream(virt: Built) -> Path:
    """The tree of llama.cpp."""
    return results.load(results.Tree, next(virt.build.glob(f"src/llama.cpp-*/{results.NAME}"))).root


def said(virt: Built, compiler: Compiler, folder: Path, *flags: str) -> str:
    """What the driver prints, compiled so: a line for each type, without and with importance."""
    folder.mkdir(parents=True, exist_ok=True)
    source = upstream(virt) / "ggml"
    (folder / "ggml-version.h").write_text('#define GGML_VERSION ""\n#define GGML_COMMIT ""\n')
    common = ("-w", "-DNDEBUG", "-D_GNU_SOURCE", "-std=gnu11", "-ffunction-sections", f"-I{folder}", f"-I{source / 'include'}", f"-I{source / 'src'}", "-c")
    # ggml.c only leads to the quantizers, and is slow to compile
    for file, how in ((source / "src/ggml-quants.c", ("-O3", *flags)), (source / "src/ggml.c", ("-O0",)), (ROOT / "tests/data/quantizers.c", ("-O1", OFF))):
        if file.stem == "ggml-quants" or not (folder / f"{file.stem}.o").is_file():
            ran(*compiler.c, *common, *how, file, "-o", folder / f"{file.stem}.o")
    program = folder / "quantizers"
    ran(*compiler.c, "-Wl,--gc-sections", *(folder / f"{name}.o" for name in ("ggml-quants", "ggml", "quantizers")), "-lm", "-o", program)
    return ran(*compiler.runner, program)


def ran(*argv: object, cwd: Path | None = None, timeout: float = 600) -> str:
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=timeout, cwd=cwd)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.ci
def test_without_the_flag_arm64_gives_other_bytes_and_with_it_the_same(virt: Built, tmp_path: Path) -> None:
    """Upstream's defect, on every type but Q8_0: arm64 always has a fused multiply-add, x86-64 only where it is asked for."""
    every = {one.name: one for one in compilers(virt)}
    x86, arm = every["zig clang x86_64"], every["zig clang arm64-v8a"]
    first = said(virt, x86, tmp_path / "x86", OFF)
    bare, same = (said(virt, arm, tmp_path / "arm", *flags) for flags in ((), (OFF,)))
    types = {line.split()[0].upper() for line in first.splitlines()}
    assert types == set(found.BASES), "the driver does not know every type that a recipe may use"
    assert same == first
    assert {a.split()[0].upper() for a, b in zip(first.splitlines(), bare.splitlines(), strict=True) if a != b} == types - {"Q8_0"}


@pytest.mark.long
def test_every_compiler_here_gives_the_same_bytes(virt: Built, tmp_path: Path) -> None:
    """Also with AVX2 and FMA on x86-64. Prints what docs/measured.md has."""
    made: dict[str, str] = {}
    for one in compilers(virt):
        for more in ((), ("-mavx2", "-mfma")) if not one.runner else ((),):
            for flag in ((OFF,), ()):
                made[" ".join((one.name, *more, *flag))] = said(virt, one, tmp_path / one.name.replace(" ", "_"), *more, *flag)
    first = next(iter(made.values()))
    for name, text in made.items():
        other = sorted({a.split()[0] for a, b in zip(first.splitlines(), text.splitlines(), strict=True) if a != b})
        print(f"{name:60} {'same' if not other else 'other: ' + ' '.join(other)}")
    assert {text for name, text in made.items() if OFF in name} == {first}
    assert len(set(made.values())) > 1, "without the flag nothing differs: the test shows nothing"


def llama_quantize(virt: Built, compiler: Compiler, folder: Path, flag: str) -> Path:
    """The whole tool by that compiler; minutes."""
    options = ("-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF", "-DGGML_NATIVE=OFF", "-DGGML_OPENMP=OFF", "-DGGML_CCACHE=OFF",
               "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_UI=OFF", "-DLLAMA_USE_PREBUILT_UI=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF",
               "-DLLAMA_BUILD_SERVER=OFF", "-DLLAMA_BUILD_APP=OFF", "-DLLAMA_BUILD_NUMBER=0", "-DLLAMA_BUILD_COMMIT=x")
    words = " ".join(("-D_GNU_SOURCE -w", *compiler.c[1:], flag)).replace("cc ", "").replace("c++ ", "")
    cross = ("-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64", "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY") if compiler.runner else ()
    cache = ("-DCMAKE_C_COMPILER_LAUNCHER=ccache", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache") if shutil.which("ccache") else ()
    ran("cmake", "-S", upstream(virt), "-B", folder, *options, *cross, *cache, f"-DCMAKE_C_COMPILER={compiler.c[0]}", f"-DCMAKE_CXX_COMPILER={compiler.cxx[0]}",
        f"-DCMAKE_C_FLAGS={words}", f"-DCMAKE_CXX_FLAGS={words}")
    ran("cmake", "--build", folder, "--target", "llama-quantize", timeout=3000)
    return folder / "bin/llama-quantize"


@pytest.mark.long
def test_llama_quantize_whole_gives_one_file_whatever_built_it(virt: Built, tmp_path: Path) -> None:
    """Two models, every stock recipe and every type, without and with an importance matrix, one and two threads."""
    tools = {"as built": ((), virt.host_tool("llama-quantize"))}
    for one in compilers(virt):
        if one.name in ("gcc", "clang", "zig clang arm64-v8a"):
            tools[one.name] = (one.runner, llama_quantize(virt, one, tmp_path / one.name.replace(" ", "_"), OFF))
    words = sorted({*(one.tool for one in recipes.every().values() if one.tool), *(word for word, _ in found.BASES.values())})
    digests: dict[tuple[str, str, str], dict[tuple[str, str], str]] = {}
    for model in (SANDBOX / "kiln-tiny-f16.gguf", NARROW):
        folder = tmp_path / model.stem
        folder.mkdir()
        (folder / "source.gguf").symlink_to(model)
        ran(virt.host_tool("llama-imatrix"), "-m", "source.gguf", "-f", SANDBOX / "calibration.txt", "-o", "imatrix.gguf", "-c", 256, "--chunks", 8,
            "--process-output", "--no-ppl", cwd=folder)
        for name, (runner, tool) in tools.items():
            for word in words:
                for matrix in ((), ("--imatrix", "imatrix.gguf")):
                    for threads in ("1", "2"):
                        ran(*runner, tool, *matrix, "source.gguf", "out.gguf", word, threads, cwd=folder)
                        digests.setdefault((model.stem, word, "imatrix" if matrix else ""), {})[name, threads] = stamp.digest(folder / "out.gguf")
    other = {what: who for what, who in digests.items() if len(set(who.values())) > 1}
    print(f"{len(digests)} files, each made {len(tools) * 2} times by {', '.join(tools)}: {len(other)} differ")
    assert not other
