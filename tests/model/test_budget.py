# SPDX-License-Identifier: Apache-2.0
"""The budget: what fits is said, what does not is refused with numbers and with what would."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from model.made import Shape, write

from kiln import product as products
from kiln.errors import ModelError, Refused
from kiln.model import budget, gguf, memory
from kiln.product import Product
from kiln.spec import Size

pytestmark = pytest.mark.fast

MIB, GIB = 1 << 20, 1 << 30
ONE_B = Shape(layers=16, width=2048, heads=32, heads_kv=8, ff=8192, vocab=32000, context=131072, tied=True)
EIGHT_B = Shape(layers=32, width=4096, heads=32, heads_kv=8, ff=14336, vocab=128256, context=131072)


@pytest.fixture(scope="module")
def one_b(tmp_path_factory: pytest.TempPathFactory) -> gguf.Header:
    return gguf.header(write(tmp_path_factory.mktemp("1b") / "1b.gguf", ONE_B, sparse=True))


@pytest.fixture(scope="module")
def eight_b(tmp_path_factory: pytest.TempPathFactory) -> gguf.Header:
    return gguf.header(write(tmp_path_factory.mktemp("8b") / "8b.gguf", EIGHT_B, sparse=True))


def board(ram: int = 2 * GIB, **model: object) -> Product:
    virt = products.load("virt")
    return replace(virt, board=replace(virt.board, ram=Size(ram), keeps=Size(ram // 4)), model=replace(virt.model, **model))  # type: ignore[arg-type]


def test_the_products_own_model_fits() -> None:
    virt = products.load("virt")
    source = Path(products.share.root() / "sandbox/model/kiln-tiny-f16.gguf")
    assert budget.check(gguf.header(source), virt, 64 * MIB).fits


def test_kv_cache_of_llama_3_1_8b(eight_b: gguf.Header) -> None:
    """llama.cpp's own report for this model: 8192 cells, 32 layers, f16: 1024.00 MiB; q8_0: 544; q4_0: 288."""
    assert memory.kv_bytes(eight_b, memory.Way(8192, 8192)) == 1024 * MIB
    assert memory.kv_bytes(eight_b, memory.Way(8192, 8192, kv="q8_0")) == 544 * MIB
    assert memory.kv_bytes(eight_b, memory.Way(8192, 8192, kv="q4_0")) == 288 * MIB
    assert memory.kv_bytes(eight_b, memory.Way(1, 1)) == 32 * MIB  # 256 cells at least
    assert memory.kv_bytes(eight_b, memory.Way(300, 1200, slots=4)) == 4 * 64 * MIB, "each slot is rounded up"
    assert memory.kv_bytes(eight_b, memory.Way(300, 1200, slots=4, unified=True)) == 160 * MIB


@pytest.mark.parametrize("shape,context,reported", [
    (Shape(context=4096), 512, 4.51), (Shape(context=4096), 4096, 8.01),
    (Shape(layers=4, width=1024, heads=16, heads_kv=4, ff=4096, vocab=8000, tied=True), 512, 32.51),
    (Shape(layers=4, width=1024, heads=16, heads_kv=4, ff=4096, vocab=8000, tied=True), 4096, 36.01),
    (Shape(layers=2, width=512, heads=8, heads_kv=8, ff=2048, vocab=64000, tied=True), 4096, 20.01),
])
def test_buffers_are_a_little_above_what_llama_server_reported(shape: Shape, context: int, reported: float, tmp_path: Path) -> None:
    """`CPU compute buffer size` of the pinned llama-server, -np 1."""
    ours = memory.compute_bytes(gguf.header(write(tmp_path / "x.gguf", shape, sparse=True)), memory.Way(context, context)) / MIB
    assert reported <= ours <= 1.25 * reported


def test_too_large_for_its_partition_says_which_recipes_fit(one_b: gguf.Header) -> None:
    with pytest.raises(Refused) as caught:
        budget.check(one_b, board(recipe="f16"), 700 * MIB)
    line = str(caught.value)
    assert line.startswith("products/virt.yaml: the model as f16 is 1983 MiB, its partition takes 700 MiB; recipes that fit: ")
    assert "q4_0 (" in line and "q8_0" not in line and "as_is" not in line


def test_too_large_for_the_memory_says_what_takes_it(one_b: gguf.Header) -> None:
    with pytest.raises(Refused) as caught:
        budget.check(one_b, board(recipe="q4_0", context=65536), 6 * GIB)
    line = str(caught.value)
    assert "KV cache of 65536 tokens in f16 2048 MiB" in line and "the board has 2048 MiB" in line
    assert line.endswith("; context: 16384 fits; or kv: q4_0")


def test_a_smaller_kv_type_is_offered(one_b: gguf.Header) -> None:
    with pytest.raises(Refused, match="context: 16384 fits; or kv: q8_0$"):
        budget.check(one_b, board(recipe="q4_0", context=32768), 6 * GIB)


def test_nothing_fits_says_how_far_the_smallest_is_off(eight_b: gguf.Header) -> None:
    with pytest.raises(Refused, match=r"no recipe fits: the smallest, q2_k, is \d+ MiB and needs \d+ MiB of memory"):
        budget.check(eight_b, board(), 6 * GIB)


def test_a_context_beyond_training_is_refused(one_b: gguf.Header) -> None:
    with pytest.raises(Refused, match="context: 131072"):
        budget.check(one_b, board(8 * GIB, context=131073), 6 * GIB)


def test_a_file_that_is_no_language_model_is_refused(one_b: gguf.Header) -> None:
    with pytest.raises(Refused, match="does not say its layers"):
        budget.check(replace(one_b, n_layer=0), board(), GIB)


def test_a_part_of_a_split_model_is_refused(one_b: gguf.Header) -> None:
    for recipe in ("q4_0", "as_is"):
        with pytest.raises(ModelError, match="one of 3 parts"):
            budget.check(replace(one_b, splits=3), board(recipe=recipe), GIB)


def test_more_memory_never_refuses_what_less_takes(one_b: gguf.Header) -> None:
    """Every verdict is monotonous in memory, room and context."""
    for recipe in ("q8_0", "q4_0", "q2_k"):
        seen = [budget.budget(one_b, board(ram * 256 * MIB, recipe=recipe), 2 * GIB).fits for ram in range(1, 17)]
        assert seen == sorted(seen) and seen[-1]
        room = [budget.budget(one_b, board(8 * GIB, recipe=recipe), size * 128 * MIB).fits for size in range(1, 17)]
        assert room == sorted(room)


def test_a_verdict_takes_less_than_a_second(eight_b: gguf.Header) -> None:
    began = time.perf_counter()
    list(budget.options(eight_b, board(), 6 * GIB))
    assert time.perf_counter() - began < 1
