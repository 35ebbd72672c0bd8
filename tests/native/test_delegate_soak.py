# SPDX-License-Identifier: Apache-2.0
"""Models come and go, two contexts share one, tokens by the thousand: the delegate's memory stays, and a token costs no more."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from native.stock import Stock, lines
from native.test_delegate_faults import SMALL


def flat(kib: list[int], slack: int) -> None:
    """No more at the end than after a fifth, in KiB; the first part fills caches."""
    settled = max(kib[: max(2, len(kib) // 5)])
    assert max(kib[len(kib) // 5:]) <= settled + slack, kib


@pytest.mark.ci
def test_memory_is_flat_over_loads(stock: Stock, models: dict[str, Path]) -> None:
    said = stock.delegated("driver", "reload", models["Q4_0"], 25, env=SMALL).stdout
    flat([int(line) for line in said.splitlines()], 1024)


@pytest.mark.long
@pytest.mark.parametrize("library", ["nnrt", "old"])
def test_memory_is_flat_over_a_hundred_loads(stock: Stock, models: dict[str, Path], library: str) -> None:
    said = stock.delegated("driver", "reload", models["Q4_0"], 100, libraries=getattr(stock, library)).stdout
    kib = [int(line) for line in said.splitlines()]
    flat(kib, 1024)
    print(f"\n{library}: a hundred loads, resident after the first, tenth, last: {kib[0]}, {kib[9]}, {kib[-1]} KiB, at most {max(kib)}")


@pytest.mark.ci
def test_two_contexts_at_once(stock: Stock, models: dict[str, Path]) -> None:
    done = stock.delegated("driver", "soak", models["Q4_0"], 2000)
    flat([int(line) for line in done.stdout.splitlines()], 4096)
    calls = lines(done.stderr, "nnrt-calls")
    assert len({row["id"] for row in calls}) == len(calls), "they share the units"


@pytest.mark.long
@pytest.mark.parametrize("batch", ["32", "1"])
def test_memory_is_flat_over_ten_thousand_tokens(stock: Stock, models: dict[str, Path], batch: str) -> None:
    """Two contexts in two threads; with GGML_NNRT_MIN_BATCH=1 single tokens go to the device too."""
    done = stock.delegated("driver", "soak", models["Q4_0"], 10000, env={"GGML_NNRT_MIN_BATCH": batch})
    kib = [int(line) for line in done.stdout.splitlines()]
    flat(kib, 2048)
    runs = sum(row["calls"] for row in lines(done.stderr, "nnrt-calls"))
    print(f"\nten thousand tokens, MIN_BATCH={batch}, {runs} runs: resident after 5 %, half, all: {kib[0]}, {kib[len(kib) // 2]}, {kib[-1]} KiB, at most {max(kib)}")


@pytest.mark.ci
def test_resident_memory_grows_by_the_units_and_little_more(stock: Stock, models: dict[str, Path]) -> None:
    without = int(stock.run("driver", "reload", models["Q4_0"], 1).stdout)
    done = stock.delegated("driver", "reload", models["Q4_0"], 1, env={"GGML_NNRT_BUDGET": "8388608"})
    assert int(done.stdout) - without <= 8192 + 6144, "the budget, the libraries, and what the allocator keeps of the compilation"


def instructions(stock: Stock, model: Path, tokens: int, out: Path, *, delegate: bool) -> int:
    """What callgrind counts for a load, a prompt and so many tokens."""
    run = stock.delegated if delegate else stock.run
    done = run("driver", "greedy", model, tokens, before=("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"))
    return int(re.findall(r"Collected : (\d+)", done.stderr)[-1])


@pytest.mark.long
def test_a_generated_token_does_not_pay_for_the_prompt(stock: Stock, models: dict[str, Path], tmp_path: Path) -> None:
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not here")
    cost = {}
    for delegate in (False, True):
        few, many = (instructions(stock, models["Q4_0"], count, tmp_path / "out", delegate=delegate) for count in (2, 22))
        cost[delegate] = (many - few) / 20
    print(f"\ninstructions for a token: {cost[False]:.0f} without, {cost[True]:.0f} with the delegate: {cost[True] / cost[False]:.4f}")
    assert cost[True] <= 1.03 * cost[False]
