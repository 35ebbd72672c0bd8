# SPDX-License-Identifier: Apache-2.0
"""What tests share: real `scons` runs, and one build of products/virt for the whole session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kiln import results, share

ROOT = share.root()


@dataclass(frozen=True)
class Built:
    """A finished build of products/virt: its folders, and what each step gave."""

    build: Path
    cache: Path

    @property
    def product(self) -> Path:
        return self.build / "virt"

    def artifacts(self, folder: str) -> results.Artifacts:
        return results.load(results.Artifacts, self.build / folder / results.NAME)

    def host_tool(self, name: str) -> Path:
        return next(self.build.glob(f"host/llama.cpp-*/out/**/{name}"))

    def toolchain(self, abi: str) -> results.Toolchain:
        return results.load(results.Toolchain, next(self.build.glob(f"sdk/*-{abi}/{results.NAME}")))


def scons(*words: str, cwd: Path = ROOT, timeout: float = 5400, **env: str) -> subprocess.CompletedProcess[str]:
    """One real SCons run; its output is text, its exit code is not looked at."""
    argv = [sys.executable, "-m", "SCons", "-Q", *words]
    return subprocess.run(argv, cwd=cwd, text=True, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL,
                          env={**os.environ, **env})


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
