# SPDX-License-Identifier: Apache-2.0
"""auto against every mix that llama-quantize has, at the size of each: the table of docs/recipes.md, on two models."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest

from checkout import ROOT, Built
from kiln import share
from kiln.model import search
from kiln.model.search import Texts, Tools

pytestmark = pytest.mark.long
SANDBOX = share.root() / "sandbox/model"
MODELS = {"sandbox": SANDBOX / "kiln-tiny-f16.gguf", "narrow": ROOT / "tests/data/narrow-f16.gguf"}
# All of 2.5 to 8.5 bits; Kiln's own stock recipes are some of them. IQ2 and IQ3 have no fast code on Arm.
MIXES = ("Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "IQ4_XS", "IQ4_NL", "Q4_0", "Q4_1", "Q4_K_S", "Q4_K_M", "Q5_0", "Q5_1", "Q5_K_S", "Q5_K_M", "Q6_K", "Q8_0")
BUDGETS = 10


@pytest.mark.parametrize("name", MODELS)
def test_auto_loses_less_than_every_mix_that_is_no_larger(name: str, virt: Built, tmp_path: Path) -> None:
    """A budget is the size of a mix; the rival is the best of all mixes, with and without importance matrix, that fit in it.

    Where mixes fall together (rows that are no multiple of 256), the widest gaps between two sizes are halved until there are ten budgets.
    """
    tools = Tools(*(virt.host_tool(f"llama-{tool}") for tool in ("quantize", "perplexity", "imatrix")))
    began = time.monotonic()
    found = search.prepare(MODELS[name], tools, Texts(SANDBOX / "calibration.txt", SANDBOX / "heldout.txt", 256), tmp_path / "search", log=tmp_path / "log")
    measured = time.monotonic() - began
    stock = search.stocks(found, {mix: mix for mix in MIXES})
    head = min(one.size for one in stock if one.recipe.endswith("+imatrix")) - min(one.size for one in stock)   # what a file says of its matrix
    sizes = sorted({one.size for one in stock if not one.recipe.endswith("+imatrix")})
    while len(sizes) < BUDGETS:
        low, high = max(zip(sizes, sizes[1:], strict=False), key=lambda pair: pair[1] - pair[0])
        sizes = sorted({*sizes, (low + high) // 2})
    ratios = []
    print(f"\n{name}: measured in {measured:.0f} s\n| budget, bytes | best mix that fits | its divergence | auto, bytes | its divergence | ratio |\n|---|---|---|---|---|---|")
    for size in sizes:
        rival = min((one for one in stock if one.size <= size + head), key=lambda one: one.kld)
        ours = search.confirm(found, search.choose(found, size))
        ratios.append(ours.kld / rival.kld)
        print(f"| {size:,} | {rival.recipe} | {rival.kld:.6f} ± {rival.error:.6f} | {ours.size:,} | {ours.kld:.6f} ± {ours.error:.6f} | {ratios[-1]:.2f} |")
        assert ours.size <= size
    won = sum(ratio < 1 for ratio in ratios)
    print(f"{won} of {len(sizes)}; median ratio {statistics.median(ratios):.2f}")
    assert won >= 0.9 * len(sizes)
