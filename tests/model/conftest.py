# SPDX-License-Identifier: Apache-2.0
"""What the tests of the model room share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from model.made import write


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two layers whose rows are multiples of 256."""
    return write(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="session")
def tool(virt: Any) -> Path:
    """llama-quantize as the product's own build made it."""
    found: Path = virt.host_tool("llama-quantize")
    return found
