# SPDX-License-Identifier: Apache-2.0
"""The measured recipes, found with the host's own llama.cpp on the sandbox model: sizes exact, losses less than a stock recipe's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiln import share, stamp
from kiln.errors import Refused
from kiln.model import evaluate, found, gguf, quantize, search
from kiln.model.search import Search, Texts, Tools

pytestmark = pytest.mark.ci
MODEL = share.root() / "sandbox/model"


@pytest.fixture(scope="module")
def searched(virt: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    folder = tmp_path_factory.mktemp("search")
    tools = Tools(*(virt.host_tool(f"llama-{name}") for name in ("quantize", "perplexity", "imatrix")))
    yield search.prepare(MODEL / "kiln-tiny-f16.gguf", tools, Texts(MODEL / "calibration.txt", MODEL / "heldout.txt", 256), folder,
                         log=folder / "log", chunks=12)


@pytest.mark.parametrize("room", [1_501_376, 2_166_976, 3_045_568])
def test_the_file_is_as_large_as_was_said_and_within_its_room(searched: Search, room: int) -> None:
    chosen = search.choose(searched, room)
    made = search.confirm(searched, chosen)
    assert made.size == chosen.size <= room and chosen.size > 0.98 * room
    assert made.tried[-1].kld == made.kld > 0


def test_it_loses_less_than_the_stock_recipe_of_its_size(searched: Search) -> None:
    """Q6_K gives every matrix the same; where the bytes go matters most there (0.00017 against 0.00004 on the whole text)."""
    stock = next(one for one in search.stocks(searched, with_matrix=False) if one.recipe == "q6_k")
    ours = search.confirm(searched, search.choose(searched, stock.size))
    assert ours.size <= stock.size and ours.kld < 0.7 * stock.kld


def test_a_room_that_is_too_small_is_refused(searched: Search) -> None:
    with pytest.raises(Refused, match="no choice of types makes this model smaller than"):
        search.choose(searched, 500_000)


def test_pruned_layers_are_gone_and_the_rest_is_typed(searched: Search, tmp_path: Path) -> None:
    gone = search.least(searched, 1)
    chosen = search.confirm(searched, search.choose(searched, 2_000_000, recipe="prune", dropped=gone))
    found.save(chosen, tmp_path / "x.recipe.json")
    again = found.load(tmp_path / "x.recipe.json", "x", "y")
    made = quantize.quantize(searched.source, "prune", searched.tools.quantize, tmp_path / "model.gguf", log=tmp_path / "log", key="k", context=512,
                             measured=quantize.Measured(again, searched.matrix))
    header = gguf.header(made.file)
    assert header.n_layer == 3 and made.size == chosen.size and {tensor.name: tensor.type for tensor in header.tensors}.items() >= again.types.items()


def test_the_same_bytes_whatever_the_threads(searched: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = search.choose(searched, 2_166_976)
    digests = set()
    for threads in (1, 2, 3):
        into = tmp_path / str(threads) / "model.gguf"
        into.parent.mkdir()
        monkeypatch.setattr("os.sched_getaffinity", lambda _, n=threads: set(range(n)))
        digests.add(quantize.quantize(searched.source, "auto", searched.tools.quantize, into, log=tmp_path / "log", key="k", context=512,
                                      measured=quantize.Measured(chosen, searched.matrix)).sha256)
    assert len(digests) == 1


def test_a_text_of_less_than_a_chunk_is_refused(searched: Search, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("Tom Hill planted a pine.\n")
    with pytest.raises(Exception, match="llama-perplexity|short.txt"):
        evaluate.yardstick(searched.tools.perplexity, searched.source, tmp_path / "short.txt", tmp_path / "logits", context=256, vocabulary=1024,
                           log=tmp_path / "log")


def test_the_committed_recipe_is_of_the_committed_model() -> None:
    at = share.folder("products")
    made = found.load(found.file(at, "virt-auto"), "x", "y")
    found.fits(made, gguf.header(MODEL / "kiln-tiny-f16.gguf"), stamp.digest(MODEL / "kiln-tiny-f16.gguf"), "x", "y")
    assert stamp.digest(found.matrix(at, "virt-auto")) == made.imatrix and dataclasses.asdict(made)["recipe"] == "auto"
