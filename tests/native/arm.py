# SPDX-License-Identifier: Apache-2.0
"""Programs of the 32-bit ABI under QEMU's user mode: the stand-in SDK for it, a root with musl's loader, the reference NNRt and nnrt-demo
there; and llama.cpp's libraries, for the tests that are long."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nnrt_library
from checkout import ROOT, Built
from kiln import fetch, pin, results, sdk, share, stamp
from kiln.fetch import made as kept
from kiln.native import cmake, llama
from kiln.results import Toolchain, Tree

from native import stock

ABI = "armeabi-v7a"
EMULATOR = "qemu-arm-static"
REVISION = 1
_MARCH = "armv7-a+simd"
OPTIONS = {**llama._ALWAYS, "BUILD_SHARED_LIBS": "ON", "GGML_BACKEND_DL": "ON"}


@dataclass(frozen=True)
class Arm:
    """`root` is what QEMU takes for /: lib/ has the loader, the C++ library, the reference NNRt and our programs."""

    root: Path

    def run(self, program: str, *words: object, libraries: bool = True, timeout: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
        """A program of lib/, with the folder of the NNRt libraries in its path or without."""
        path = "/lib:/nnrt" if libraries else "/lib"
        # QEMU's own -E splits at commas; it is a static program, so the path is not its own.
        return subprocess.run([EMULATOR, "-L", str(self.root), str(self.root / "lib" / program), *map(str, words)], text=True, capture_output=True,
                              timeout=timeout, errors="replace", env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": path, **env})


def toolchain(virt: Built) -> Toolchain:
    """The SDK of the ABI: made once for each compiler and template, kept in the cache's made/."""
    zig = results.load(Tree, next(virt.build.glob(f"src/ziglang-*/{results.NAME}")))
    template = share.folder("sandbox") / "sdk"
    key = stamp.key("sdk of tests", ABI, zig.identity, stamp.digest_tree(template), stamp.digest_tree(ROOT / "site_scons/kiln/sdk"))
    folder = virt.build / "sdk" / f"tests-{ABI}"
    if not stamp.made(folder, key) and not (kept.restore(virt.cache, key, folder) and stamp.made(folder, key)):
        sdk.from_zig(zig, template, ABI, folder, key=key, log=virt.build / "logs" / f"sdk-{ABI}.log", scratch=folder.with_name(f".{ABI}.tests"))
        stamp.make(folder, key, [folder / results.NAME])
        kept.keep(virt.cache, key, folder)
    return results.load(Toolchain, folder / results.NAME)


def root(virt: Built) -> Arm:
    """A root whose programs are the real ones of the SDK: only the loader is Debian's, of armel, whose calls are the same."""
    tools = toolchain(virt)
    folder = virt.build / "arm" / "root"
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    wanted = pin.load("musl-armel")
    musl = virt.build / "arm" / f"musl-{wanted.sha256[:8]}"
    if not musl.is_dir():
        fetch.unpack(fetch.get(wanted, virt.cache).path, musl, file=wanted.file)
    (folder / "nnrt").mkdir(exist_ok=True)
    stock.placed(next(musl.rglob("arm-linux-musleabi/libc.so")), folder / "lib/ld-musl-arm.so.1")
    stock.placed(tools.runtime, folder / "lib" / tools.runtime.name)
    for library in nnrt_library.library(virt.build, nnrt_library.musl(tools)).iterdir():
        stock.placed(library, folder / "nnrt" / library.name)
    demo = virt.build / "arm" / "nnrt-demo"
    cmake.build(ROOT / "native/nnrt-demo", tools, targets=("nnrt-demo",), options={"CMAKE_RUNTIME_OUTPUT_DIRECTORY": str(demo / "bin")}, obj=demo / "obj",
                log=demo / "log", jobs=2, ccache=virt.cache / "ccache")
    stock.placed(demo / "bin/nnrt-demo", folder / "lib/nnrt-demo")
    return Arm(folder)


def with_llama(virt: Built, arm: Arm) -> Arm:
    """libllama, the CPU backend, the delegate and the driver in that root: minutes of compiling, so only tests that are long ask for it."""
    tools = toolchain(virt)
    tree = results.load(Tree, next(virt.build.glob(f"src/llama.cpp-*/{results.NAME}")))
    options: Mapping[str, str] = {**OPTIONS, "GGML_CPU_ARM_ARCH": _MARCH}
    key = stamp.key("llama.cpp of tests", ABI, tools.key, tree.identity, json.dumps(options, sort_keys=True), str(REVISION))
    folder = virt.build / "arm" / "llama.cpp" / "out"
    if not stamp.made(folder, key) and not (kept.restore(virt.cache, key, folder) and stamp.made(folder, key)):
        shutil.rmtree(folder, ignore_errors=True)
        obj = folder.with_name("obj")
        cmake.build(tree.root, tools, targets=("ggml-cpu", "llama"), options=options, obj=obj, log=folder.with_name("log"), jobs=2,
                    ccache=virt.cache / "ccache", flags=llama._OHOS)
        (folder / "bin").mkdir(parents=True)
        stamp.make(folder, key, [Path(shutil.copy2(file, folder / "bin")) for file in sorted((obj / "bin").glob("*.so*")) if file.is_file()])
        kept.keep(virt.cache, key, folder)
    ours = [stock.project(virt, tools, ROOT / "native/ggml-nnrt", "ggml-nnrt", folder / "bin"),
            stock.project(virt, tools, ROOT / "tests/data/delegate", "driver", folder / "bin")]
    for file in (file for place in (folder / "bin", *ours) for file in place.iterdir() if file.is_file()):
        stock.placed(file, arm.root / "lib" / file.name)
    return arm
