# SPDX-License-Identifier: Apache-2.0
"""What the tests of the image room share: one small base, the product of the virtual board."""

from __future__ import annotations

from pathlib import Path

import pytest
from image.made import make_base, small

from kiln import product as products
from kiln.image import base as bases
from kiln.results import Base


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small base for all tests that only read it."""
    return make_base(tmp_path_factory.mktemp("base") / "images")


@pytest.fixture
def base(base_folder: Path) -> Base:
    """The same, read."""
    return bases.read(base_folder, key="base-key", sandbox=True)


@pytest.fixture
def virt() -> products.Product:
    """The product of the virtual board, on a smaller disk."""
    return small()
