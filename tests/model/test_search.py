# SPDX-License-Identifier: Apache-2.0
"""The measured recipes, found with the host's own llama.cpp on a small qwen2: sizes exact, losses less than a stock recipe's.

test_auto_wins.py counts on two models and all of the text; here a few chunks must do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiln import share, stamp
from kiln.errors import Refused
from kiln.model import evaluate, found, gguf, losses, quantize, search
from kiln.model.search import Search, Texts, Tools

pytestmark = pytest.mark.ci
MODEL = share.root() / "sandbox/model"
NARROW = share.root() / "tests/data/narrow-f16.gguf"


@pytest.fixture(scope="module")
def searched(virt: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    folder = tmp_path_factory.mktemp("search")
    tools = Tools(*(virt.host_tool(f"llama-{name}") for name in ("quantize", "perplexity", "imatrix")))
    yield search.prepare(NARROW, tools, Texts(MODEL / "calibration.txt", MODEL / "heldout.txt", 256), folder, log=folder / "log", chunks=4)


@pytest.mark.parametrize("room", [640_000, 790_000, 1_058_464, 1_500_000])
def test_the_file_is_as_large_as_was_said_and_within_its_room(searched: Search, room: int) -> None:
    every = search.choose(searched, room)
    made = search.confirm(searched, every)
    assert made.size in {one.size for one in every} and all(0.98 * room < one.size <= room for one in every)
    assert [one.kld for one in made.tried if one.chosen] == [made.kld] and made.kld > 0


def test_it_loses_less_than_the_stock_recipe_of_its_size(searched: Search) -> None:
    """Q4_K_M falls back to Q5_0 and Q8_0 here (0.000099 against 0.000052 for Q5_K_M on eight chunks)."""
    stock = search.stocks(searched, {"q5_k_m": "Q5_K_M"})
    ours = search.confirm(searched, search.choose(searched, stock[0].size))
    assert ours.size <= stock[0].size and ours.kld < 0.8 * min(one.kld for one in stock)
    assert len(searched.costs) == 2 and all(costs.keys() == {tensor.name for tensor in losses.matrices(searched.header)} for costs in searched.costs)


def test_a_room_that_is_too_small_is_refused(searched: Search) -> None:
    with pytest.raises(Refused, match="no choice of types makes this model smaller than"):
        search.choose(searched, 300_000)


def test_pruned_layers_are_gone_and_the_rest_is_typed(searched: Search, tmp_path: Path) -> None:
    gone = search.least(searched, 1)
    chosen = search.confirm(searched, search.choose(searched, 700_000, recipe="prune", dropped=gone))
    found.save(chosen, tmp_path / "x.recipe.json")
    again = found.load(tmp_path / "x.recipe.json", "x", "y")
    made = quantize.quantize(searched.source, "prune", searched.tools.quantize, tmp_path / "model.gguf", log=tmp_path / "log", key="k", context=512,
                             measured=quantize.Measured(again, searched.matrix))
    header = gguf.header(made.file)
    assert header.n_layer == 3 and made.size == chosen.size and {tensor.name: tensor.type for tensor in header.tensors}.items() >= again.types.items()


def test_the_same_bytes_whatever_the_threads(searched: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = search.choose(searched, 790_000)[0]
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
