# SPDX-License-Identifier: Apache-2.0
"""What the tests of the delegate share."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import nnrt_library
import pytest

from checkout import Built
from kiln import share
from native import stock as made
from native.stock import Stock

TINY = share.folder("sandbox") / "model" / "kiln-tiny-f16.gguf"


@pytest.fixture(scope="session")
def stock(virt: Built) -> Stock:
    """llama.cpp with loadable backends, compiled once, and the delegate beside it."""
    if platform.machine() != "x86_64":
        pytest.skip("the musl loader that these programs need is pinned for x86-64 only")
    toolchain = virt.toolchain("x86_64")
    compiler = nnrt_library.musl(toolchain)
    return made.gathered(virt, toolchain, nnrt_library.library(virt.build, compiler), nnrt_library.library(virt.build, compiler, level=9))


@pytest.fixture(scope="session")
def models(virt: Built, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sandbox model in the types that the tests name; `Q4_0-as-F32` holds the very numbers of Q4_0."""
    folder, tool = tmp_path_factory.mktemp("models"), virt.host_tool("llama-quantize")
    found = {}
    for name, source, kind in [("F32", TINY, "F32"), ("Q4_0", TINY, "Q4_0"), ("Q8_0", TINY, "Q8_0"), ("Q4_K_M", TINY, "Q4_K_M"),
                               ("Q4_0-as-F32", "Q4_0", "F32"), ("Q8_0-as-F32", "Q8_0", "F32")]:
        found[name] = folder / f"{name}.gguf"
        subprocess.run([tool, "--allow-requantize", found.get(str(source), source), found[name], kind, "2"], check=True, capture_output=True)
    return found
