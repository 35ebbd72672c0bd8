# SPDX-License-Identifier: Apache-2.0
"""What tests share: the user's cache, and one build of products/virt for the whole session."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import nnrt_library
import pytest
from checkout import ROOT, Built, scons
from nnrt_api import Nnrt

# Tests start Pythons of their own that import the library; ./kiln runs us with no PYTHONPATH.
os.environ["PYTHONPATH"] = str(ROOT / "site_scons")


@pytest.fixture(scope="session")
def cache() -> Path:
    """The user's cache, so that downloads and kept results serve every run on this machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kiln"


@pytest.fixture(scope="session")
def virt(cache: Path) -> Built:
    """products/virt, built once in the checkout's own build folder: llama.cpp is compiled here and nowhere else."""
    built = Built(ROOT / "build", cache)
    done = scons("product=virt", "image", "board")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return built


@pytest.fixture
def run_scons() -> Callable[..., subprocess.CompletedProcess[str]]:
    """scons() as a fixture, for tests outside this folder's import path."""
    return scons


@pytest.fixture(scope="session")
def nnrt(virt: Built) -> Nnrt:
    """The reference NNRt for this machine, loaded: compiled once for each content of its sources. NNRT_LIBRARY is a folder with another build of it."""
    given = os.environ.get("NNRT_LIBRARY")
    return Nnrt(Path(given) if given else nnrt_library.library(virt.build, nnrt_library.gnu(virt.build)))
