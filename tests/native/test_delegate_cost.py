# SPDX-License-Identifier: Apache-2.0
"""What the delegate costs: memory that it may take, instructions of a token that it does not compute, and nothing where it does nothing."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
from pathlib import Path

import pytest

from native.stock import Stock, lines

MIB = 1 << 20
# How the delegate comes to do nothing: environment, and whether there is a library.
OFF = {"no library": {}, "no device": {"KILN_NNRT_DEVICES": "none"}, "all refused": {"KILN_NNRT_DEVICES": "accelerator,refuse=all"},
       "budget 0": {"GGML_NNRT_BUDGET": "0"}, "disabled": {"GGML_NNRT_DISABLE": "1"}}
# A mount of its own over a file of /proc, seen by what follows alone.
INSTEAD = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh")


def with_memory(stock: Stock, model: Path, free: int, folder: Path, **env: str) -> str:
    """What a load and a token say, info level included, where the kernel says that so many bytes are free."""
    said = folder / "meminfo"
    said.write_text(f"MemTotal:       4194304 kB\nMemFree:           4096 kB\nMemAvailable:   {free // 1024} kB\nBuffers: 0 kB\n")
    if subprocess.run([*INSTEAD, str(said), "/proc/meminfo", "true"], capture_output=True).returncode:
        pytest.skip("no mounts of one's own here")
    return stock.delegated("driver", "greedy", model, 1, env={"DRIVER_LOG": "1", **env}, before=(*INSTEAD, str(said), "/proc/meminfo")).stderr


@pytest.mark.ci
def test_by_default_a_quarter_of_what_is_free_is_spent(stock: Stock, models: dict[str, Path], tmp_path: Path) -> None:
    said = with_memory(stock, models["Q4_0"], 16 * MIB, tmp_path)
    used, given = map(float, re.findall(r"nnrt: \d+ units on \S+, ([\d.]+) of ([\d.]+) MiB", said)[-1])
    assert given == 4.0 and 2.0 < used <= given
    units = lines(said, "nnrt-unit")
    assert {row["why"] for row in units if row["verdict"] == "cpu"} == {"the budget is spent"}


@pytest.mark.ci
def test_a_block_whose_compilation_would_need_more_than_is_free_is_divided(stock: Stock, models: dict[str, Path], tmp_path: Path) -> None:
    """A block has 1.3 MiB, five times of which are not there."""
    said = with_memory(stock, models["Q4_0"], 5 * MIB, tmp_path, GGML_NNRT_BUDGET=str(64 * MIB))
    units = {row["id"]: row for row in lines(said, "nnrt-unit")}
    assert units["blk.2.ffn"]["why"] == "it is too large for one unit" and units["blk.2.ffn_down"]["verdict"] == "nnrt"


@pytest.mark.long
@pytest.mark.parametrize("kind", ["F32", "Q4_0", "Q8_0", "Q4_K_M"])
def test_a_generated_token_costs_no_more_instructions_than_stock(stock: Stock, models: dict[str, Path], tmp_path: Path, kind: str) -> None:
    cost = {name: per_token(stock, models[kind], tmp_path / "out", env) for name, env in [("stock", None), ("with units", {}), ("all refused", OFF["all refused"])]}
    print(f"\n{kind}: " + ", ".join(f"{name} {count:.0f} ({count / cost['stock']:.4f})" for name, count in cost.items()))
    assert max(cost["with units"], cost["all refused"]) <= 1.03 * cost["stock"]


def per_token(stock: Stock, model: Path, out: Path, env: dict[str, str] | None) -> float:
    """Instructions of a generated token, by callgrind: what twenty more cost."""
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not here")
    counts = []
    for tokens in (2, 22):
        before = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}")
        done = (stock.run("driver", "greedy", model, tokens, before=before) if env is None else
                stock.delegated("driver", "greedy", model, tokens, before=before, env=env))
        assert (env == {}) == any(row["verdict"] == "nnrt" for row in lines(done.stderr, "nnrt-unit"))
        counts.append(int(re.findall(r"Collected : (\d+)", done.stderr)[-1]))
    return (counts[1] - counts[0]) / 20


@pytest.mark.long
@pytest.mark.parametrize("way", OFF)
def test_where_it_does_nothing_llama_bench_tells_no_difference(stock: Stock, models: dict[str, Path], tmp_path: Path, way: str) -> None:
    """Turn by turn: nine of each, and what two halves of stock's own differ by is noise."""
    libraries = tmp_path if way == "no library" else stock.nnrt
    words = ("-m", models["Q4_0"], "-p", "128", "-n", "64", "-r", "5", "-t", "1", "-o", "json")
    ours: dict[str, list[float]] = {}
    theirs: dict[str, list[float]] = {}
    for _ in range(9):
        for into, done in ((theirs, stock.run("llama-bench", *words)),
                           (ours, stock.delegated("llama-bench", *words, env={**OFF[way], "GGML_NNRT_TRACE": "0"}, libraries=libraries))):
            for row in json.loads(done.stdout):
                into.setdefault("prompt" if row["n_prompt"] else "generation", []).append(max(row["samples_ts"]))
    for what, mine in ours.items():
        ratio = [a / b for a, b in zip(mine, theirs[what])]
        middle, noise = statistics.median(ratio), statistics.stdev(theirs[what]) / statistics.mean(theirs[what])
        print(f"\n{way}, {what}: {middle:.3f} of stock ({min(ratio):.3f} to {max(ratio):.3f}), stock's own deviation {noise:.1%}")
        assert abs(middle - 1) <= max(0.03, noise)
