# SPDX-License-Identifier: Apache-2.0
"""A real `scons` run in this checkout, and what a finished build of products/virt holds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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


def copied(into: Path) -> Path:
    """A copy of this checkout as it stands, edits and all, without what was built. Gives it back."""
    return Path(shutil.copytree(ROOT, into, ignore=_skip, symlinks=True))


def _skip(folder: str, names: list[str]) -> set[str]:
    """What a copy leaves out: our own build/ (sandbox/ has folders of that name too), git's and Python's."""
    ours = {"build", ".git", ".venv", ".mypy_cache", ".pytest_cache"} if Path(folder) == ROOT else set()
    return {name for name in names if name in ours or name == "__pycache__"}
