# SPDX-License-Identifier: Apache-2.0
"""A model of half a billion parameters in the shape of Qwen2.5 0.5B, weights drawn at random: each logit of the delegate beside the CPU's.

24 layers, 896 wide, 4,864 in the feed-forward block, 14 heads and two of keys, Q/K/V biases; of its vocabulary 4,096 tokens,
which leaves 362 million parameters.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkout import Built
from model.made import Shape, write
from native.logits import TEXT, divergence, logits, nmse
from native.stock import Stock, lines

pytestmark = pytest.mark.long

SHAPE = Shape(arch="qwen2", layers=24, width=896, heads=14, heads_kv=2, ff=4864, vocab=4096, tied=True, biases=True, type="F32", live=True)
TOKENS = 128                           # two pieces of a prompt
ROOM = {"GGML_NNRT_BUDGET": str(2 << 30), "LLAMA_ARG_THREADS": "2"}

SLACK = 16 << 10                       # KiB: both libraries, and what an allocator keeps of a compilation


@pytest.fixture(scope="module")
def half(virt: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The model in F32, and in two types with the very numbers of each in F32."""
    folder, tool = tmp_path_factory.mktemp("half"), virt.host_tool("llama-quantize")
    found = {"F32": write(folder / "F32.gguf", SHAPE)}
    for name, source, kind in [("Q4_0", "F32", "Q4_0"), ("Q8_0", "F32", "Q8_0"), ("Q4_0-as-F32", "Q4_0", "F32"), ("Q8_0-as-F32", "Q8_0", "F32")]:
        found[name] = folder / f"{name}.gguf"
        subprocess.run([tool, "--allow-requantize", found[source], found[name], kind, "2"], check=True, capture_output=True)
    yield found
    for file in found.values():
        file.unlink()


def units(said: str) -> dict[str, int]:
    """Calls of each unit; every one was kept."""
    assert {row["verdict"] for row in lines(said, "nnrt-unit")} == {"nnrt"}
    return {row["id"]: row["calls"] for row in lines(said, "nnrt-calls")}


def test_in_f32_the_distribution_is_that_of_the_cpu(stock: Stock, half: dict[str, Path], tmp_path: Path) -> None:
    wanted, _ = logits(stock, half["F32"], TOKENS, tmp_path / "cpu", threads=2)
    print(f"\ndeviation of a logit {wanted.std():.2f}")
    for precision, far in (("fp32", 1e-5), ("fp16", 1e-3)):
        got, said = logits(stock, half["F32"], TOKENS, tmp_path / "nnrt", delegate={**ROOM, "GGML_NNRT_PRECISION": precision})
        calls = units(said)
        print(f"F32 {precision}: divergence {divergence(wanted, got):.2g}, NMSE {nmse(wanted, got):.2g}, {len(calls)} units, "
              f"calls of one {max(calls.values())}, {sum(row['bytes'] for row in lines(said, 'nnrt-unit')) >> 20} MiB")
        assert divergence(wanted, got) <= far
        assert len([name for name in calls if name.endswith(".ffn")]) == 24 and set(calls.values()) == {TOKENS // 64}


def test_resident_memory_grows_by_the_budget_at_most(stock: Stock, half: dict[str, Path], tmp_path: Path) -> None:
    words = ("logits", half["Q4_0"], TOKENS, TEXT, tmp_path / "out", 512)
    without = int(stock.run("driver", *words).stdout)
    for budget in (100 << 20, 1 << 30):
        done = stock.delegated("driver", *words, env={"GGML_NNRT_BUDGET": str(budget)})
        used = sum(row["bytes"] for row in lines(done.stderr, "nnrt-unit") if row["verdict"] == "nnrt")
        print(f"\nbudget {budget >> 20} MiB: units of {used >> 20} MiB, resident {without >> 10} MiB without, {int(done.stdout) >> 10} MiB with")
        assert 0 < used <= budget and int(done.stdout) - without <= (budget >> 10) + SLACK


@pytest.mark.parametrize("kind", ["Q4_0", "Q8_0"])
def test_quantized_it_is_no_further_from_the_truth_than_the_cpu(stock: Stock, half: dict[str, Path], tmp_path: Path, kind: str) -> None:
    truth, _ = logits(stock, half[f"{kind}-as-F32"], TOKENS, tmp_path / "truth", threads=2)
    cpu, _ = logits(stock, half[kind], TOKENS, tmp_path / "cpu", threads=2)
    plain, _ = logits(stock, half[kind], TOKENS, tmp_path / "plain", plain=True, threads=2)
    print(f"\n{kind}, CPU: divergence from the truth {divergence(truth, cpu):.2g}, not repacked {divergence(truth, plain):.2g}")
    for precision in ("fp32", "fp16"):
        got, said = logits(stock, half[kind], TOKENS, tmp_path / "nnrt", delegate={**ROOM, "GGML_NNRT_PRECISION": precision})
        units(said)
        print(f"{kind} {precision}: divergence from the truth {divergence(truth, got):.2g}, NMSE from unrepacked CPU {nmse(plain, got):.2g}")
        assert divergence(truth, got) <= divergence(truth, cpu) + 1e-3
        assert nmse(plain, got) <= 1e-2
