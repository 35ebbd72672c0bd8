# SPDX-License-Identifier: Apache-2.0
"""llama.cpp: the options it takes for a board and for this machine, and which of its files come out."""

from __future__ import annotations

from pathlib import Path

from kiln.errors import Refused
from kiln.native import cmake, elf, kept
from kiln.product import Product
from kiln.progress import Progress, silent
from kiln.results import Artifacts, Toolchain, Tree

COMMIT = "0c1e57098"                   # of the tree that the pin's sdist carries; the sdist has no usable git data
BACKEND = "libggml-cpu.so"             # loaded by name, so no program needs it by DT_NEEDED
HOST = ("llama-quantize", "llama-perplexity", "llama-imatrix", "llama-server")

# Nothing is fetched, asked of git or built that no target of ours uses. CMake's own names for the rest are in the tree.
_ALWAYS = {
    "GGML_NATIVE": "OFF", "GGML_OPENMP": "OFF", "GGML_CCACHE": "OFF", "GGML_LLAMAFILE": "ON",
    "LLAMA_OPENSSL": "OFF", "LLAMA_BUILD_UI": "OFF", "LLAMA_USE_PREBUILT_UI": "OFF", "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF", "LLAMA_BUILD_APP": "OFF", "LLAMA_BUILD_NUMBER": "0", "LLAMA_BUILD_COMMIT": COMMIT,
}
# llama.cpp asks for the affinity calls only where CMAKE_SYSTEM_NAME is Linux or Android, and uses them wherever there is Linux.
_OHOS = ("-D_GNU_SOURCE",)
# AVX2, FMA and F16C are in every x86-64 machine that runs a build of ours in sensible time (2013 on), and only the CPU
# backend is compiled with them; the quantizers in ggml-base are plain x86-64. AVX-512 would leave too many machines out.
_HOST_CPU = {"x86_64": {"GGML_SSE42": "ON", "GGML_AVX": "ON", "GGML_AVX2": "ON", "GGML_BMI2": "ON", "GGML_FMA": "ON",
                        "GGML_F16C": "ON", "GGML_AVX512": "OFF"}}
_HOST_FLAGS = {"x86_64": ("avx", "avx2", "bmi2", "f16c", "fma", "sse4_2")}


def llama_for_board(tree: Tree, toolchain: Toolchain, product: Product, *, folder: Path, key: str, log: Path, jobs: int,
                    ccache: Path | None, hide: tuple[Path, ...] = (), progress: Progress = silent) -> Artifacts:
    """The product's targets of llama.cpp, shared, with the libraries that they need, in `folder`/out.

    The CPU backend is a library of its own, compiled for the board's -march, so that another backend may be put
    beside it. Raises ElfError if a file is not what the board needs.
    """
    native = product.native["llama.cpp"]
    lib = kept.libraries(native.install, toolchain.abi)
    options = {**_ALWAYS, "BUILD_SHARED_LIBS": "ON", "GGML_BACKEND_DL": "ON", "GGML_BACKEND_DIR": lib,
               "GGML_CPU_ARM_ARCH": product.board.march}
    link = cmake.Link(program_path=f"$ORIGIN/../{lib.removeprefix(native.install + '/')}")
    cmake.build(tree.root, toolchain, targets=native.targets, options=options, obj=folder / "obj", log=log, jobs=jobs,
                ccache=ccache, link=link, flags=_OHOS, progress=progress, what="llama.cpp")
    made = {toolchain.runtime.name: toolchain.runtime, **kept.files(folder / "obj/bin")}
    programs, libraries = elf.closure((*native.targets, BACKEND), made, kept.SYSTEM)
    out = kept.emptied(folder / "out")
    origin = f"{tree.input.name} {tree.input.version}"
    items = [kept.program(made[name], out / "bin" / name, f"{native.install}/bin/{name}", origin) for name in programs]
    items += [kept.library(made[name], out / "lib" / name, f"{lib}/{name}", "sdk" if made[name] == toolchain.runtime else origin)
              for name in libraries]
    wanted = elf.Wanted(toolchain.abi, product.board.march, (*hide, toolchain.root, tree.root, Path.home()))
    for item in items:
        elf.check(item.file, wanted, dot_product=item.file.name == BACKEND)
    return kept.saved(items, key, out)


def llama_static(tree: Tree, toolchain: Toolchain, product: Product, *, folder: Path, key: str, log: Path, jobs: int,
                 ccache: Path | None, hide: tuple[Path, ...] = (), progress: Progress = silent) -> Artifacts:
    """The product's targets of llama.cpp, each one static program: for a board whose kernel has the ABI and whose userland has not.

    It needs no loader and no library of the board, and loads none: no other backend can be put beside the CPU's.
    """
    native = product.native["llama.cpp"]
    options = {**_ALWAYS, "BUILD_SHARED_LIBS": "OFF", "GGML_BACKEND_DL": "OFF", "GGML_CPU_ARM_ARCH": product.board.march}
    cmake.build(tree.root, toolchain, targets=native.targets, options=options, obj=folder / "obj", log=log, jobs=jobs, ccache=ccache,
                link=cmake.Link(static=True), flags=_OHOS, progress=progress, what="llama.cpp")
    out = kept.emptied(folder / "out")
    origin = f"{tree.input.name} {tree.input.version}"
    items = [kept.program(folder / "obj/bin" / name, out / "bin" / name, f"{native.install}/bin/{name}", origin) for name in native.targets]
    wanted = elf.Wanted(toolchain.abi, product.board.march, (*hide, toolchain.root, tree.root, Path.home()))
    for item in items:
        elf.check(item.file, wanted, dot_product=item.file.name == "llama-server")
    return kept.saved(items, key, out)


def llama_for_host(tree: Tree, toolchain: Toolchain, *, folder: Path, key: str, log: Path, jobs: int, ccache: Path | None,
                   hide: tuple[Path, ...] = (), progress: Progress = silent) -> Artifacts:
    """llama-quantize and its kin as static programs of this machine, by the same compiler, in `folder`/out.

    No contraction to fused multiply-add: arm64 has it and x86-64 has not, and a quantized file would differ in the
    last bit with the machine that made it. Raises Refused on a processor that could not run them.
    """
    if lacking := processor_lacks(toolchain.abi):
        raise Refused(f"this machine's processor lacks {', '.join(lacking)}, which the host tools use",
                      hint="build on a machine with AVX2 (Intel since 2013, AMD since 2015)")
    options = {**_ALWAYS, "BUILD_SHARED_LIBS": "OFF", "GGML_BACKEND_DL": "OFF", **_HOST_CPU.get(toolchain.abi, {})}
    cmake.build(tree.root, toolchain, targets=HOST, options=options, obj=folder / "obj", log=log, jobs=jobs, ccache=ccache,
                link=cmake.Link(static=True), flags=(*_OHOS, "-ffp-contract=off"), progress=progress,
                what="host tools")
    out = kept.emptied(folder / "out")
    wanted = elf.Wanted(toolchain.abi, "", (*hide, toolchain.root, tree.root, Path.home()))
    items = [kept.artifact(folder / "obj/bin" / name, out / name, "", 0o755, 0, "", tree.input.name) for name in HOST]
    for item in items:
        elf.check(item.file, wanted)
    return kept.saved(items, key, out)


def processor_lacks(abi: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """The processor features that host tools of this ABI are compiled for and this machine does not list."""
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "").split()
    return tuple(flag for flag in _HOST_FLAGS.get(abi, ()) if flags and flag not in flags)
