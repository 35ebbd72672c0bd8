# SPDX-License-Identifier: Apache-2.0
"""Every logit of the delegate beside those of the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from native.logits import divergence, logits, nmse
from native.stock import Stock, lines

pytestmark = pytest.mark.ci

TOKENS = 200                           # four pieces of a prompt


@pytest.mark.parametrize("kind", ["F32", "Q4_0", "Q8_0", "Q4_K_M"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_logits_are_those_of_weights_that_are_not_repacked(stock: Stock, models: dict[str, Path], tmp_path: Path, kind: str, precision: str) -> None:
    wanted, _ = logits(stock, models[kind], TOKENS, tmp_path / "cpu", plain=True)
    got, said = logits(stock, models[kind], TOKENS, tmp_path / "nnrt", delegate={"GGML_NNRT_PRECISION": precision})
    assert {row["verdict"] for row in lines(said, "nnrt-unit")} == {"nnrt"}
    exact = kind == "F32" and precision == "fp32"                              # for quantized weights the CPU rounds activations to 8 bits
    assert nmse(wanted, got) <= (1e-9 if exact else 1e-6 if kind == "F32" else 1e-3)
    assert divergence(wanted, got) <= (1e-5 if exact else 1e-3)


@pytest.mark.parametrize("kind", ["Q4_0", "Q8_0"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_quantized_weights_are_read_as_they_are_though_repacked(stock: Stock, models: dict[str, Path], tmp_path: Path, kind: str, precision: str) -> None:
    truth, _ = logits(stock, models[f"{kind}-as-F32"], TOKENS, tmp_path / "truth")
    theirs, _ = logits(stock, models[kind], TOKENS, tmp_path / "cpu")
    ours, _ = logits(stock, models[kind], TOKENS, tmp_path / "nnrt", delegate={"GGML_NNRT_PRECISION": precision})
    assert divergence(truth, ours) <= divergence(truth, theirs), "the CPU rounds what it multiplies to 8 bits, NNRt does not"


# The third of four pieces: of Q, K and V, of the whole block of the first layer, of an output projection, of the block of the last.
@pytest.mark.parametrize("run,unit", [(29, "blk.0.attn_q+attn_v+attn_k"), (37, "blk.0.ffn"), (69, "blk.3.attn_output"), (73, "blk.3.ffn")])
def test_a_run_that_fails_within_a_prompt_spoils_no_token_of_it(stock: Stock, models: dict[str, Path], tmp_path: Path, run: int, unit: str) -> None:
    wanted, _ = logits(stock, models["F32"], TOKENS, tmp_path / "cpu")
    env = {"GGML_NNRT_PRECISION": "fp32", "KILN_NNRT_DEVICES": f"accelerator,fail-run={run}"}
    got, said = logits(stock, models["F32"], TOKENS, tmp_path / "nnrt", delegate=env)
    assert [row["id"] for row in lines(said, "nnrt-off")] == [unit]
    assert nmse(wanted, got) < 1e-9
