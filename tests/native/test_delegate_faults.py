# SPDX-License-Identifier: Apache-2.0
"""NNRt fails at every call in turn, its driver dies: the delegate answers on, and loses nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from native.stock import Stock, lines
from native.test_delegate import same_where_sure

# Room for a feed-forward block and a product or two: every kind of call, few of each.
SMALL = {"GGML_NNRT_BUDGET": "2097152"}
TOKENS = 10
CODES = ("", "+", ":3", ":14")         # once; from there on; with another code
LOST = re.compile(r"(?:definitely|indirectly|possibly) lost: ([\d,]+) bytes")


def calls_of(stock: Stock, model: Path, report: Path, env: dict[str, str], libraries: Path | None = None) -> int:
    """How many calls of NNRt a load and ten tokens make."""
    stock.delegated("driver", "greedy", model, TOKENS, env={**env, "KILN_NNRT_REPORT": str(report)}, libraries=libraries)
    return int(json.loads(report.read_text())["calls"])


def failing(stock: Stock, model: Path, wanted: str, number: int, env: dict[str, str], code: str = "", libraries: Path | None = None) -> str:
    """The name of the function that failed, after an answer that is right."""
    report = Path(env["KILN_NNRT_REPORT"])
    done = stock.delegated("driver", "greedy", model, TOKENS, env={**env, "KILN_NNRT_FAIL_CALL": f"{number}{code}"}, libraries=libraries)
    same_where_sure(done.stdout, wanted)
    return str(json.loads(report.read_text())["failed"])


@pytest.mark.ci
def test_a_failure_of_a_call_changes_no_answer(stock: Stock, models: dict[str, Path], tmp_path: Path) -> None:
    wanted = stock.run("driver", "greedy", models["Q4_0"], TOKENS).stdout
    count = calls_of(stock, models["Q4_0"], tmp_path / "report", SMALL)
    env = {**SMALL, "KILN_NNRT_REPORT": str(tmp_path / "report")}
    assert 200 < count < 900
    failed = {failing(stock, models["Q4_0"], wanted, number, env) for number in range(1, count + 1, 5)}
    assert {"OH_NNModel_AddOperation", "OH_NNModel_SetTensorData", "OH_NNExecutor_RunSync"} <= failed and len(failed) > 12, failed
    for code in CODES[1:]:
        for number in range(1, count + 1, 50):
            failing(stock, models["Q4_0"], wanted, number, env, code)


@pytest.mark.long
@pytest.mark.parametrize("library", ["nnrt", "old"])
@pytest.mark.parametrize("code", CODES)
def test_a_failure_at_every_call_of_a_whole_model(stock: Stock, models: dict[str, Path], tmp_path: Path, library: str, code: str) -> None:
    libraries = getattr(stock, library)
    wanted = stock.run("driver", "greedy", models["Q4_0"], TOKENS).stdout
    count = calls_of(stock, models["Q4_0"], tmp_path / "report", {}, libraries)
    env = {"KILN_NNRT_REPORT": str(tmp_path / "report")}
    step = 1 if code == "" else 7
    failed = {failing(stock, models["Q4_0"], wanted, number, env, code, libraries) for number in range(1, count + 1, step)}
    print(f"\n{library}, fails{code or ' once'}: {len(range(1, count + 1, step))} of {count} calls, {len(failed)} functions")


@pytest.mark.ci
@pytest.mark.parametrize("device", ["fail-run=30", "fail-run=30+", "die-run=30", "fail-run=1+"])
def test_a_run_that_fails_is_redone_within_the_token(stock: Stock, models: dict[str, Path], device: str) -> None:
    env = {"KILN_NNRT_DEVICES": f"accelerator,{device}"}
    done = stock.delegated("driver", "greedy", models["Q4_0"], 24, env=env)
    same_where_sure(done.stdout, stock.run("driver", "greedy", models["Q4_0"], 24).stdout)
    off = lines(done.stderr, "nnrt-off")
    turned_down = [row for row in lines(done.stderr, "nnrt-unit") if row["why"] == "its run failed"]
    assert off if device == "fail-run=30" else off or turned_down
    assert len(off) <= 1 or device != "fail-run=30", "one unit is off, the others work on"


def lost(stock: Stock, model: Path, number: int, code: str = "") -> int:
    """Bytes that valgrind finds lost at the end, after everything was unloaded; any wrong access is a failure at once."""
    env = {**SMALL, "KILN_NNRT_THREADS": "1", **({"KILN_NNRT_FAIL_CALL": f"{number}{code}"} if number else {})}
    before = ("valgrind", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible", "--soname-synonyms=somalloc=ld-musl*", "--error-exitcode=9")
    done = stock.delegated("driver", "greedy", model, 2, env=env, before=before)
    return sum(int(count.replace(",", "")) for count in LOST.findall(done.stderr))


@pytest.mark.long
def test_nothing_is_lost_wherever_a_call_fails(stock: Stock, models: dict[str, Path], tmp_path: Path) -> None:
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not here")
    count = calls_of(stock, models["Q4_0"], tmp_path / "report", SMALL)
    cases = [(0, ""), *((number, "") for number in range(3, count + 1, count // 6)), (count // 2, "+")]
    for number, code in cases:
        assert lost(stock, models["Q4_0"], number, code) == 0, (number, code)
    print(f"\n{len(cases)} runs under valgrind, one without a failure: nothing lost, no wrong access")
