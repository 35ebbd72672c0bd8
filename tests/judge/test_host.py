# SPDX-License-Identifier: Apache-2.0
"""The same questions on this machine, with the host's own llama-server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kiln import share
from kiln.errors import ModelError
from kiln.judge import card, host


@pytest.mark.ci
def test_the_unquantized_model_knows_its_card(virt: Any, tmp_path: Path) -> None:
    model = share.folder("sandbox") / "model"
    asked = card.questions(model / "card.jsonl")
    right = host.answers(virt.host_tool("llama-server"), model / "kiln-tiny-f16.gguf", asked, log=tmp_path / "log", context=512)
    assert len(right) == len(asked) and sum(right) >= 0.9 * len(asked)


@pytest.mark.ci
def test_a_file_that_is_no_model(virt: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelError, match=r"does not serve broken.gguf: .*log: ") as raised:
        host.answers(virt.host_tool("llama-server"), tmp_path / "broken.gguf", (), log=tmp_path / "log", context=512)
    assert "\n" not in str(raised.value)


@pytest.mark.fast
def test_a_server_that_ends_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"true does not serve m.gguf: it printed nothing \(exit code 0\)"):
        host.answers(Path("/bin/true"), tmp_path / "m.gguf", (), log=tmp_path / "log", context=512)
