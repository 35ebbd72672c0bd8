# SPDX-License-Identifier: Apache-2.0
"""What the tests of the system room share: trees with a compiler that pretends, and the whole step with the real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from system.trees import PRETEND, ROW, TEMPLATE, fake_toolchain

from kiln import product, results, system
from kiln.product import Product
from kiln.results import Tree
from kiln.system import sandbox

if TYPE_CHECKING:
    from checkout import Built


@pytest.fixture
def musl(tmp_path: Path) -> Path:
    """A file where musl's libc.so would be."""
    file = tmp_path / "musl" / "lib" / "libc.so"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not really musl")
    return file


@pytest.fixture
def make_tree(tmp_path: Path, musl: Path) -> Callable[..., Path]:
    """A miniature tree whose compiler is the given script."""
    def made(clang: str = PRETEND) -> Path:
        return sandbox.make(TEMPLATE, tmp_path / "ohos", fake_toolchain(tmp_path / "sdk", clang), musl, ROW)

    return made


@pytest.fixture(scope="session")
def virt_product() -> Product:
    return product.load("virt")


@pytest.fixture(scope="session")
def loader(virt: Built) -> Tree:
    """The unpacked musl that the product's board names."""
    return results.load(Tree, next(virt.build.glob(f"src/musl-arm64-*/{results.NAME}")))


@pytest.fixture(scope="session")
def build_real(virt: Built, loader: Tree, virt_product: Product) -> Callable[..., system.Built]:
    """The whole step, with the stand-in SDK, in a folder."""
    def made(into: Path, template: Path = TEMPLATE) -> system.Built:
        return system.build(template, virt.toolchain("arm64-v8a"), virt_product, into, loader=loader, key="test",
                            log=into.with_suffix(".log"), jobs=2)

    return made


