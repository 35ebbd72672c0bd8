# SPDX-License-Identifier: Apache-2.0
"""The tree of three repositories, fresh for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from patch import made


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.template(tmp_path_factory.mktemp("patch") / "t")


@pytest.fixture
def tree(tmp_path: Path, template: Path) -> made.Tree:
    return made.Tree(tmp_path / "work", template)
