# SPDX-License-Identifier: Apache-2.0
"""The 32-bit ABI under QEMU's user mode: nnrt-demo finds the reference NNRt by dlopen; llama.cpp answers with the delegate on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checkout import Built
from kiln.native import elf
from native import arm
from native.arm import Arm
from native.stock import Stock, lines
from native.test_delegate import same_where_sure

DELEGATE = {"GGML_BACKEND_PATH": "/lib/libggml-nnrt.so", "GGML_NNRT_KEEP": "correct", "GGML_NNRT_TRACE": "1", "KILN_NNRT_DEVICES": "accelerator",
            "GGML_NNRT_BUDGET": "4194304"}


@pytest.fixture(scope="session")
def board(virt: Built) -> Arm:
    return arm.root(virt)


@pytest.mark.ci
def test_nnrt_demo_computes_on_32_bits(virt: Built, board: Arm) -> None:
    done = board.run("nnrt-demo")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    found = re.findall(r"^(Add|FFN) on .*largest difference to this program (\S+)$", done.stdout, re.M)
    assert [name for name, _ in found] == ["Add", "FFN"] and all(float(off) < 1e-5 for _, off in found)
    for file in (board.root / "lib/nnrt-demo", *(board.root / "nnrt").iterdir()):
        elf.check(file, elf.Wanted(arm.ABI, "", (virt.build,)))


@pytest.mark.ci
@pytest.mark.parametrize("devices,says", [
    ("none", "it has no device"), ("accelerator,refuse=all", "no device takes the model Add"), ("gpu,fail-run=1+", "UNAVAILABLE_DEVICE (code 14)"),
    (None, "this system has no NNRt")])
def test_what_32_bits_lack_is_one_line(board: Arm, devices: str | None, says: str) -> None:
    done = board.run("nnrt-demo", libraries=devices is not None, KILN_NNRT_DEVICES=devices or "")
    assert done.returncode == 1 and done.stderr.startswith("nnrt-demo: ") and says in done.stderr, done.stdout + done.stderr
    assert done.stderr.count("\n") == (2 if "fail-run" in str(devices) else 1), "one for each model"


@pytest.mark.long
def test_llama_answers_on_32_bits_with_the_delegate(virt: Built, board: Arm, stock: Stock, models: dict[str, Path]) -> None:
    arm.with_llama(virt, board)
    wanted = stock.run("driver", "greedy", models["Q4_0"], 10).stdout
    without = board.run("driver", "greedy", models["Q4_0"], 10, libraries=False, timeout=580)
    same_where_sure(without.stdout, wanted)
    done = board.run("driver", "greedy", models["Q4_0"], 10, timeout=580, **DELEGATE)
    same_where_sure(done.stdout, wanted)
    units = [row for row in lines(done.stderr, "nnrt-unit") if row["verdict"] == "nnrt"]
    calls = sum(row["calls"] for row in lines(done.stderr, "nnrt-calls"))
    assert units and calls and sum(row["bytes"] for row in units) <= 4194304, done.stderr[-2000:]
    off = board.run("driver", "greedy", models["Q4_0"], 10, timeout=580, **{**DELEGATE, "KILN_NNRT_DEVICES": "none"})
    assert off.stdout == without.stdout and not lines(off.stderr, "nnrt-unit")
    print(f"\n32 bits: {len(units)} units, {calls} calls, the tokens of x86-64 where they are sure")
