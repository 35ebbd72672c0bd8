# SPDX-License-Identifier: Apache-2.0
"""The delegate beside stock llama.cpp on this machine: the same answers with it, without a device, and whatever NNRt refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kiln import share
from native.stock import Stock, lines

pytestmark = pytest.mark.ci

MODEL = share.folder("sandbox") / "model"
CARD = MODEL / "card.jsonl"
SURE = 0.5                             # two logits closer than this may change places


def greedy(said: str) -> list[tuple[int, float]]:
    """Token and margin of each line of `driver greedy`."""
    return [(int(token), float(margin)) for token, margin in (line.split() for line in said.splitlines())]


def same_where_sure(got: str, wanted: str) -> None:
    """Equal up to the first token of which the model was not sure: from there on two right programs may part."""
    assert len(greedy(got)) == len(greedy(wanted)) > 0
    for (mine, _), (theirs, margin) in zip(greedy(got), greedy(wanted)):
        if margin <= SURE and mine != theirs:
            return
        assert mine == theirs, (got, wanted)


@pytest.mark.parametrize("kind", ["F32", "Q4_0", "Q8_0", "Q4_K_M"])
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_the_answers_are_those_of_the_cpu(stock: Stock, models: dict[str, Path], kind: str, precision: str) -> None:
    done = stock.delegated("driver", "greedy", models[kind], 24, env={"GGML_NNRT_PRECISION": precision})
    same_where_sure(done.stdout, stock.run("driver", "greedy", models[kind], 24).stdout)
    units = {row["id"]: row for row in lines(done.stderr, "nnrt-unit")}
    assert {row["verdict"] for row in units.values()} == {"nnrt"}, units
    assert done.stderr.rindex("nnrt-unit") < done.stderr.index("nnrt-first"), "all are proven before one is used"
    assert units["blk.2.ffn"]["ops"] == "MATMUL MATMUL SWISH MUL MATMUL"
    assert list(units)[0] == "blk.2.ffn" and "blk.0.attn_q+attn_v+attn_k" in units, "blocks first, from the last layer that a prompt goes through"


def answered_alike(stock: Stock, model: Path, env: dict[str, str]) -> str:
    """Every answer that the CPU has right is the delegate's too; how many of all are the same."""
    wanted = stock.run("driver", "answers", model, CARD).stdout.splitlines()
    done = stock.delegated("driver", "answers", model, CARD, env={"GGML_NNRT_MIN_BATCH": "2", **env})
    right = [row["a"] for row in map(json.loads, CARD.read_text().splitlines())]
    got = done.stdout.splitlines()
    known = [i for i, answer in enumerate(wanted) if answer.strip() == right[i]]
    assert len(known) > 225 and [got[i].strip() for i in known] == [right[i] for i in known]
    assert sum(row["calls"] for row in lines(done.stderr, "nnrt-calls")) > 1000
    assert sum(a == b for a, b in zip(got, wanted)) >= len(wanted) - 2, "of the others two may tie"
    return f"{sum(a == b for a, b in zip(got, wanted))} of {len(wanted)} answers the same, {len(known)} of them right"


def test_every_question_of_the_card_has_the_answer_of_the_cpu(stock: Stock, models: dict[str, Path]) -> None:
    answered_alike(stock, models["Q4_0"], {})


@pytest.mark.long
@pytest.mark.parametrize("kind", ["F32", "Q4_0", "Q8_0", "Q4_K_M"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_card_in_every_type_and_precision(stock: Stock, models: dict[str, Path], kind: str, precision: str) -> None:
    print(f"\n{kind} {precision}: {answered_alike(stock, models[kind], {'GGML_NNRT_PRECISION': precision})}")


def test_without_a_device_everything_is_as_it_was(stock: Stock, models: dict[str, Path], tmp_path: Path) -> None:
    wanted = stock.run("driver", "greedy", models["Q4_0"], 24).stdout
    for env, libraries in [({}, tmp_path), ({"KILN_NNRT_DEVICES": "none"}, stock.nnrt), ({"KILN_NNRT_DEVICES": "cpu"}, stock.nnrt),
                           ({"KILN_NNRT_DEVICES": "accelerator,refuse=all"}, stock.nnrt), ({"GGML_NNRT_BUDGET": "0"}, stock.nnrt),
                           ({"GGML_NNRT_DISABLE": "1"}, stock.nnrt), ({"GGML_NNRT_DEVICE": "another"}, stock.nnrt)]:
        done = stock.delegated("driver", "greedy", models["Q4_0"], 24, env=env, libraries=libraries)
        assert done.stdout == wanted, env
        assert not [row for row in lines(done.stderr, "nnrt-unit") if row["verdict"] == "nnrt"], env


def test_a_cpu_device_is_used_if_asked_for(stock: Stock, models: dict[str, Path]) -> None:
    done = stock.delegated("driver", "greedy", models["Q4_0"], 4, env={"KILN_NNRT_DEVICES": "cpu", "GGML_NNRT_DEVICE": "reference-cpu"})
    assert [row for row in lines(done.stderr, "nnrt-unit") if row["verdict"] == "nnrt"]


def test_a_device_that_is_slower_is_turned_down(stock: Stock, models: dict[str, Path]) -> None:
    done = stock.delegated("driver", "greedy", models["Q4_0"], 4, env={"KILN_NNRT_DEVICES": "accelerator,latency=30000", "GGML_NNRT_KEEP": "faster"})
    units = lines(done.stderr, "nnrt-unit")
    assert units and {row["verdict"] for row in units} == {"cpu"}
    assert units[0]["why"] == "it is slower than the CPU" and units[0]["nnrt_us"] > units[0]["cpu_us"] > 0
    assert units[1]["why"] == f"it is slower than the CPU, as {units[0]['id']} was", "one of a shape is enough"


@pytest.mark.parametrize("refused,ops", [("SWISH", "MATMUL MATMUL SIGMOID MUL MUL MATMUL"), ("MUL", "MATMUL")])
def test_a_refused_operation_costs_no_more_than_its_fusion(stock: Stock, models: dict[str, Path], refused: str, ops: str) -> None:
    done = stock.delegated("driver", "greedy", models["Q4_0"], 12, env={"KILN_NNRT_DEVICES": f"accelerator,refuse={refused}"})
    same_where_sure(done.stdout, stock.run("driver", "greedy", models["Q4_0"], 12).stdout)
    units = {row["id"]: row for row in lines(done.stderr, "nnrt-unit")}
    name = "blk.1.ffn" if refused == "SWISH" else "blk.1.ffn_down"
    assert (units[name]["ops"], units[name]["verdict"]) == (ops, "nnrt")


def test_the_library_of_api_9_does_as_well(stock: Stock, models: dict[str, Path]) -> None:
    done = stock.delegated("driver", "greedy", models["Q4_0"], 12, libraries=stock.old)
    same_where_sure(done.stdout, stock.run("driver", "greedy", models["Q4_0"], 12).stdout)
    units = [row for row in lines(done.stderr, "nnrt-unit") if row["verdict"] == "nnrt"]
    assert len(units) > 8 and "SIGMOID" in units[0]["ops"], "SWISH came with API 12"


def test_a_budget_is_kept_and_spent_on_whole_blocks_first(stock: Stock, models: dict[str, Path]) -> None:
    done = stock.delegated("driver", "greedy", models["Q4_0"], 4, env={"GGML_NNRT_BUDGET": "3000000"})
    units = [row for row in lines(done.stderr, "nnrt-unit") if row["verdict"] == "nnrt"]
    assert [row["id"] for row in units[:2]] == ["blk.2.ffn", "blk.1.ffn"] and sum(row["bytes"] for row in units) <= 3000000
    assert {row["why"] for row in lines(done.stderr, "nnrt-unit") if row["verdict"] == "cpu"} == {"the budget is spent"}


def test_one_call_for_a_block_and_a_piece_of_the_prompt_and_none_for_a_single_token(stock: Stock, models: dict[str, Path]) -> None:
    done = stock.delegated("llama-bench", "-m", models["Q4_0"], "-p", "64", "-n", "32", "-r", "1", "-t", "1", "--no-warmup")
    calls = {row["id"]: row for row in lines(done.stderr, "nnrt-calls") if row["calls"]}
    assert {row["calls"] for row in calls.values()} == {1} and {row["rows"] for row in calls.values()} == {64}
    assert {"blk.0.ffn", "blk.0.attn_q+attn_v+attn_k", "blk.0.attn_output"} <= set(calls), "the three that a layer has, K and V with Q"


def test_kept_units_are_not_taken_for_those_of_another_model(stock: Stock, models: dict[str, Path], tmp_path: Path) -> None:
    env = {"GGML_NNRT_CACHE": str(tmp_path), "KILN_NNRT_REPORT": str(tmp_path / "report")}
    first = stock.delegated("driver", "greedy", models["Q4_0"], 12, env=env).stdout
    files = set(tmp_path.glob("kiln-*"))
    assert files
    for turn, kind in enumerate(["Q4_0", "Q8_0"]):
        done = stock.delegated("driver", "greedy", models[kind], 12, env=env)
        assert {row["verdict"] for row in lines(done.stderr, "nnrt-unit")} == {"nnrt"}, "units of other weights would differ from the CPU"
        assert (set(tmp_path.glob("kiln-*")) == files) == (turn == 0)
        assert (done.stdout == first) == (turn == 0)


@pytest.mark.parametrize("name,value,says", [
    ("GGML_NNRT_PRECISION", "fp8", "GGML_NNRT_PRECISION=fp8 is not fp16 or fp32; it is ignored"),
    ("GGML_NNRT_BUDGET", "1GB", "GGML_NNRT_BUDGET=1GB is not a number of bytes; it is ignored"),
    ("GGML_NNRT_MIN_BATCH", "0", "GGML_NNRT_MIN_BATCH=0 is not a number from 1 on; it is ignored"),
    ("GGML_NNRT_KEEP", "fast", "GGML_NNRT_KEEP=fast is not faster or correct; it is ignored"),
    ("GGML_NNRT_DISABLE", "yes", "GGML_NNRT_DISABLE=yes is not 0 or 1; it is ignored")])
def test_a_value_that_makes_no_sense_is_told(stock: Stock, name: str, value: str, says: str) -> None:
    done = stock.delegated("llama-bench", "--list-devices", env={name: value})
    assert f"nnrt: {says}\n" in done.stdout + done.stderr


def test_our_own_part_of_a_call_is_small_at_a_width_of_2048(stock: Stock, tmp_path: Path) -> None:
    from model.made import Shape, write

    file = write(tmp_path / "wide.gguf", Shape(layers=2, width=2048, heads=16, heads_kv=4, ff=5632, vocab=512))
    done = stock.delegated("llama-bench", "-m", file, "-p", "64", "-n", "0", "-r", "3", "-t", "1")
    calls = {row["id"]: row for row in lines(done.stderr, "nnrt-calls") if row["calls"]}
    print()
    for name, row in sorted(calls.items()):
        print(f"{name}: {row['rows'] // row['calls']} rows a call, {row['nnrt_us'] / row['calls']:.0f} us in NNRt, {row['own_us'] / row['calls']:.0f} us our own")
    assert calls["blk.0.ffn"]["calls"] >= 3 and calls["blk.0.ffn"]["own_us"] < 0.05 * calls["blk.0.ffn"]["nnrt_us"], calls
    assert sum(row["own_us"] for row in calls.values()) < 0.05 * sum(row["nnrt_us"] for row in calls.values()), calls
