# SPDX-License-Identifier: Apache-2.0
"""Which rows a unit computes: pieces of a prompt, single tokens where asked for, and what is never proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.made import Shape, write
from native.logits import logits, nmse
from native.stock import Stock, lines

pytestmark = pytest.mark.ci

TOKENS = 40
LAYERS = 4


def calls(said: str) -> dict[str, tuple[int, int]]:
    """Calls and rows of each unit, over all contexts."""
    rows = lines(said, "nnrt-calls")
    return {name: (sum(row["calls"] for row in rows if row["id"] == name), sum(row["rows"] for row in rows if row["id"] == name))
            for name in {row["id"] for row in rows}}


def test_single_tokens_have_units_of_their_own_if_asked_for(stock: Stock, models: dict[str, Path], tmp_path: Path) -> None:
    wanted, _ = logits(stock, models["F32"], TOKENS, tmp_path / "cpu", piece=1)
    got, said = logits(stock, models["F32"], TOKENS, tmp_path / "nnrt", piece=1, delegate={"GGML_NNRT_MIN_BATCH": "1", "GGML_NNRT_PRECISION": "fp32"})
    assert nmse(wanted, got) < 1e-9
    ran = calls(said)
    assert {count for name, count in ran.items() if name.endswith("@1")} == {(TOKENS, TOKENS)}, "one call for a unit and token"
    assert len([name for name in ran if name.endswith(".ffn@1")]) == LAYERS
    assert {count for name, count in ran.items() if not name.endswith("@1")} == {(0, 0)}


def test_a_prompt_goes_in_pieces_and_what_follows_by_the_token(stock: Stock, models: dict[str, Path]) -> None:
    done = stock.delegated("llama-bench", "-m", models["Q4_0"], "-p", "64", "-n", "8", "-r", "1", "-t", "1", "--no-warmup",
                           env={"GGML_NNRT_MIN_BATCH": "1"})
    ran = calls(done.stderr)
    assert ran["blk.1.ffn"] == (4, 64) and ran["blk.1.ffn@1"] == (8, 8) and ran["blk.1.attn_q+attn_v+attn_k@1"] == (8, 8)


def test_without_room_for_it_a_single_token_stays_on_the_cpu(stock: Stock, models: dict[str, Path], tmp_path: Path) -> None:
    env = {"GGML_NNRT_MIN_BATCH": "1", "GGML_NNRT_BUDGET": "1400000"}            # one block of the first kind, in fp16
    wanted, _ = logits(stock, models["F32"], TOKENS, tmp_path / "cpu", piece=1)
    got, said = logits(stock, models["F32"], TOKENS, tmp_path / "nnrt", piece=1, delegate=env)
    assert (got == wanted).all()
    units = {row["id"]: row for row in lines(said, "nnrt-unit")}
    assert units["blk.2.ffn"]["verdict"] == "nnrt" and units["blk.2.ffn@1"]["why"] == "the budget is spent"
    assert set(calls(said).values()) == {(0, 0)}


def test_what_belongs_to_no_model_is_computed_by_the_cpu_unless_being_right_is_enough(stock: Stock) -> None:
    only = r"type_a=q4_0,type_b=f32,m=16,n=9,k=256,bs=\[1,1\]"
    for keep, by in (("faster", set()), ("correct", {"nnrt"})):
        done = stock.delegated("test-backend-ops", "test", "-b", "NNRT0", "-o", "MUL_MAT", "-p", only, env={"GGML_NNRT_KEEP": keep, "GGML_NNRT_MIN_BATCH": "1"})
        assert {row["by"] for row in lines(done.stderr, "nnrt-product")} == by and ": " in done.stdout and "FAIL" not in done.stdout


@pytest.mark.parametrize("folder,device", [("gone", "accelerator"), (".", "accelerator,no-cache")])
def test_a_unit_that_cannot_be_kept_is_used_all_the_same(stock: Stock, models: dict[str, Path], tmp_path: Path, folder: str, device: str) -> None:
    done = stock.delegated("driver", "greedy", models["Q4_0"], 4, env={"GGML_NNRT_CACHE": str(tmp_path / folder), "KILN_NNRT_DEVICES": device})
    assert {row["verdict"] for row in lines(done.stderr, "nnrt-unit")} == {"nnrt"} and not list(tmp_path.iterdir())


def test_a_product_that_must_add_in_single_precision_gets_no_half(stock: Stock, tmp_path: Path) -> None:
    """llama.cpp says so of GLM4's output projections and of the last product of its blocks."""
    file = write(tmp_path / "glm.gguf", Shape(arch="glm4", live=True, tied=True))
    wanted, _ = logits(stock, file, TOKENS, tmp_path / "cpu")
    for precision, careful in (("fp16", False), ("fp32", True)):
        got, said = logits(stock, file, TOKENS, tmp_path / "nnrt", delegate={"GGML_NNRT_PRECISION": precision})
        kept = {row["id"] for row in lines(said, "nnrt-unit") if row["verdict"] == "nnrt"}
        assert {"blk.0.ffn_up", "blk.0.attn_q+attn_v+attn_k"} <= kept and ("blk.0.ffn_down" in kept) == ("blk.0.attn_output" in kept) == careful
        assert nmse(wanted, got) < 1e-4
