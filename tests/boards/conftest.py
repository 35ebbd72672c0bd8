# SPDX-License-Identifier: Apache-2.0
"""What the tests of boards share: the product's compiler, what its board boots with, a service that plays a part."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kiln import product, results, run

HERE = Path(__file__).resolve().parent
Compile = Callable[..., Path]


@pytest.fixture(scope="session")
def virtual() -> product.Product:
    """products/virt."""
    return product.load("virt")


@pytest.fixture(scope="session")
def means(virt: Any) -> results.Boot:
    """The kernel and RAM disk of the product's own board."""
    return results.load(results.Boot, virt.product / "board" / results.NAME)


@pytest.fixture(scope="session")
def compiled(virt: Any, tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Compile played.c for the board: compiled(name, *flags)."""
    toolchain: results.Toolchain = virt.toolchain("arm64-v8a")
    folder = tmp_path_factory.mktemp("played")

    def build(name: str, *flags: str) -> Path:
        clang = toolchain.root / "llvm" / "bin" / "clang"
        run.run([clang, f"--target={toolchain.triple}", f"--sysroot={toolchain.root / 'sysroot'}", "-Os", HERE / "played.c",
                 "-o", folder / name, *flags], cwd=folder)
        return folder / name

    return build


@pytest.fixture(scope="session")
def played(compiled: Compile) -> Path:
    """The service that plays a part, static."""
    return compiled("played", "-static")


@pytest.fixture(scope="session")
def quick(virtual: product.Product) -> product.Product:
    """products/virt with a short patience."""
    return dataclasses.replace(virtual, check=dataclasses.replace(virtual.check, boot_timeout=40))
