# SPDX-License-Identifier: Apache-2.0
"""A stock llama.cpp of this machine with loadable backends, the delegate and the reference NNRt beside it, and how they are run.

The one variant of llama.cpp that is compiled for tests alone: shared, by the SDK's compiler, kept in the cache's made/.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkout import ROOT, Built
from kiln import fetch, pin, results, stamp
from kiln.fetch import made as kept
from kiln.native import cmake, llama
from kiln.results import Toolchain, Tree

REVISION = 1
PROGRAMS = ("llama-bench", "llama-perplexity", "test-backend-ops")
OPTIONS = {**llama._ALWAYS, "BUILD_SHARED_LIBS": "ON", "GGML_BACKEND_DL": "ON", "LLAMA_BUILD_TESTS": "ON", **llama._HOST_CPU["x86_64"]}
LOADER = "ld-musl-x86_64.so.1"
# Nothing of the caller's own may say what the delegate or the reference does.
_OURS = re.compile(r"(GGML|KILN_NNRT|LLAMA)_")


@dataclass(frozen=True)
class Stock:
    """`bin` holds programs, libraries and the C library's loader; `nnrt` the reference NNRt, `old` the one of API 9."""

    bin: Path
    nnrt: Path
    old: Path

    def argv(self, program: str, *words: object, libraries: Path | None = None) -> list[str]:
        """A program through the loader that lies beside it: /lib need not have one."""
        path = f"{self.bin}:{libraries}" if libraries else str(self.bin)
        return [str(self.bin / LOADER), "--library-path", path, str(self.bin / program), *map(str, words)]

    def run(self, program: str, *words: object, env: Mapping[str, str] | None = None, libraries: Path | None = None,
            before: Sequence[str] = (), timeout: float = 900, rc: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Stock llama.cpp, no delegate. Fails unless it ends with `rc` (None: whatever)."""
        done = subprocess.run([*before, *self.argv(program, *words, libraries=libraries)], text=True, capture_output=True,
                              timeout=timeout, env={**_clean(), **(env or {})}, errors="replace")
        assert rc is None or done.returncode == rc, f"{done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
        return done

    def delegated(self, program: str, *words: object, env: Mapping[str, str] | None = None, libraries: Path | None = None,
                  **more: Any) -> subprocess.CompletedProcess[str]:
        """The same with the delegate, on the reference NNRt as an accelerator; units stay if they are right, be they slow."""
        return self.run(program, *words, libraries=libraries or self.nnrt, env={**self.delegate, **(env or {})}, **more)

    @property
    def delegate(self) -> dict[str, str]:
        """The environment that loads the delegate."""
        return {"GGML_BACKEND_PATH": str(self.bin / "libggml-nnrt.so"), "GGML_NNRT_KEEP": "correct", "GGML_NNRT_TRACE": "1",
                "KILN_NNRT_DEVICES": "accelerator", "LLAMA_ARG_THREADS": "1"}


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not _OURS.match(name)}


def lines(said: str, mark: str) -> list[dict[str, Any]]:
    """What GGML_NNRT_TRACE=1 printed of one kind: nnrt-unit, nnrt-calls, nnrt-off, nnrt-product."""
    return [json.loads(line.split(" ", 1)[1]) for line in said.splitlines() if line.startswith(mark + " ")]


def llama_cpp(virt: Built, toolchain: Toolchain) -> Path:
    """Folder of the programs of PROGRAMS and all libraries, made once for each tree, toolchain and options."""
    tree = results.load(Tree, next(virt.build.glob(f"src/llama.cpp-*/{results.NAME}")))
    key = stamp.key("stock llama.cpp", toolchain.key, tree.identity, json.dumps(OPTIONS, sort_keys=True), *PROGRAMS, str(REVISION))
    folder = virt.build / "stock" / "llama.cpp" / "out"
    if stamp.made(folder, key):
        return folder / "bin"
    if not (kept.restore(virt.cache, key, folder) and stamp.made(folder, key)):
        shutil.rmtree(folder, ignore_errors=True)
        obj = folder.with_name("obj")
        cmake.build(tree.root, toolchain, targets=(llama.BACKEND.removeprefix("lib").removesuffix(".so"), *PROGRAMS), options=OPTIONS, obj=obj,
                    log=folder.with_name("log"), jobs=os.cpu_count() or 2, ccache=virt.cache / "ccache", flags=llama._OHOS,
                    link=cmake.Link(program_path="$ORIGIN"))
        (folder / "bin").mkdir(parents=True)
        files = [Path(shutil.copy2(file, folder / "bin")) for file in sorted((obj / "bin").iterdir()) if file.is_file()]
        stamp.make(folder, key, files)
        kept.keep(virt.cache, key, folder)
    return folder / "bin"


def project(virt: Built, toolchain: Toolchain, source: Path, target: str, built: Path) -> Path:
    """A CMake project of ours that needs llama.cpp, for this machine; ninja knows what is old. The folder of its files."""
    tree = results.load(Tree, next(virt.build.glob(f"src/llama.cpp-*/{results.NAME}"))).root
    folder = virt.build / "stock" / f"{target}-{toolchain.abi}"
    where = {f"CMAKE_{kind}_OUTPUT_DIRECTORY": str(folder / "obj/bin") for kind in ("LIBRARY", "RUNTIME")}
    options = {**where, "KILN_LLAMA_CPP_SOURCE": str(tree), "KILN_LLAMA_CPP_BUILT": str(built)}
    cmake.build(source, toolchain, targets=(target,), options=options, obj=folder / "obj", log=folder / "log", jobs=2,
                ccache=virt.cache / "ccache", link=cmake.Link(program_path="$ORIGIN"))
    return folder / "obj/bin"


def loader(virt: Built) -> Path:
    """musl's dynamic loader for this machine, out of its package."""
    wanted = pin.load("musl-x86_64")
    folder = virt.build / "stock" / f"musl-{wanted.sha256[:8]}"
    if not folder.is_dir():
        fetch.unpack(fetch.get(wanted, virt.cache).path, folder, file=wanted.file)
    return next(folder.rglob("x86_64-linux-musl/libc.so"))


def gathered(virt: Built, toolchain: Toolchain, nnrt: Path, old: Path) -> Stock:
    """Everything in one folder, since each finds its libraries beside it."""
    built = llama_cpp(virt, toolchain)
    folder = virt.build / "stock" / "bin"
    folder.mkdir(exist_ok=True)
    ours = (project(virt, toolchain, ROOT / "native/ggml-nnrt", "ggml-nnrt", built),
            project(virt, toolchain, ROOT / "tests/data/delegate", "driver", built))
    for file in [*built.iterdir(), *(file for one in ours for file in one.iterdir()), toolchain.runtime]:
        placed(file, folder / file.name)
    placed(loader(virt), folder / LOADER)
    return Stock(folder, nnrt, old)


def placed(file: Path, place: Path) -> None:
    """Beside, then over: a program that runs keeps its file."""
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.copy2(file, beside)
    beside.chmod(0o755)
    beside.rename(place)
