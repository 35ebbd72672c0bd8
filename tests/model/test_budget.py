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
from kiln.model import budget, gguf, memory, table
from kiln.product import Product
from kiln.spec import AUTO, Size

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
    with pytest.raises(Refused, match=r"q2_k \(394 MiB\); or context: 16384; or kv: q8_0$"):
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


def served(product: Product, **service: object) -> Product:
    return replace(product, service=replace(product.service, **service))  # type: ignore[arg-type]


def test_what_is_left_open_is_the_longest_that_fits(one_b: gguf.Header) -> None:
    """f16 or q8_0 at the longest context up to 4,096; four bits only where nothing else fits at any length."""
    roomy = budget.check(one_b, board(2 * GIB, recipe="q4_0", context=AUTO, kv="auto"), 6 * GIB)
    assert (roomy.context, roomy.kv_type) == (4096, "f16")
    seen = [budget.plan(one_b, board(ram * 16 * MIB, recipe="q4_0", context=AUTO, kv="auto"), 6 * GIB) for ram in range(48, 80)]
    assert all(one.free >= 0 for one in seen if one.fits) and not seen[0].fits and seen[-1].fits
    chosen = [(one.context, one.kv_type) for one in seen if one.fits]
    assert chosen == sorted(chosen, key=lambda one: (one[1] != "q4_0", one[0], one[1] == "f16")), "more memory never gives a shorter context"


def test_slots_share_a_cache_where_each_its_own_does_not_fit(one_b: gguf.Header) -> None:
    eight = served(board(2 * GIB, recipe="q4_0", context=4096, kv="f16"), slots=8, kv="auto")
    made = budget.check(one_b, eight, 6 * GIB)
    assert made.unified and 4096 <= made.pool < 8 * 4096 and made.pool % 256 == 0
    two = budget.check(one_b, served(board(2 * GIB, recipe="q4_0", context=4096, kv="f16"), slots=2), 6 * GIB)
    assert not two.unified and two.pool == 8192
    with pytest.raises(Refused, match="KV cache of 32768 tokens in f16 1024 MiB"):
        budget.check(one_b, served(eight, kv="slots"), 6 * GIB)


def test_memory_for_old_prompts_is_never_more_than_half_of_what_is_left(one_b: gguf.Header) -> None:
    for ram in range(6, 33):
        made = budget.plan(one_b, board(ram * 128 * MIB, recipe="q4_0", context=2048), 6 * GIB)
        assert made.prompts % MIB == 0 and made.prompts <= max(0, made.free + made.prompts) // 2 and made.prompts <= 4 * made.kv
    assert budget.plan(one_b, served(board(4 * GIB, recipe="q4_0", context=2048), prompt_cache=0), 6 * GIB).prompts == 0
    assert budget.plan(one_b, served(board(4 * GIB, recipe="q4_0", context=2048), prompt_cache=96 * MIB), 6 * GIB).prompts == 96 * MIB


def test_memory_that_is_too_slow_for_the_speed_that_is_wanted(one_b: gguf.Header) -> None:
    slow = board(8 * GIB, recipe="f16", context=512, speed=8)
    slow = replace(slow, board=replace(slow.board, bandwidth=12480))
    with pytest.raises(Refused) as caught:
        budget.check(one_b, slow, 6 * GIB)
    line = str(caught.value)
    assert "for each token: at most 6.0 tokens/s, and model.speed wants 8; recipes that fit: q8_0 (" in line
    assert budget.check(one_b, replace(slow, board=replace(slow.board, bandwidth=0)), 6 * GIB).tokens_s == 0, "unknown refuses nothing"


def test_repacked_weights_count_once_and_lie_twice(one_b: gguf.Header) -> None:
    made = budget.budget(one_b, board(2 * GIB, recipe="q4_0", context=512, kv="f16"), 6 * GIB)
    assert made.copy == made.droppable > made.weights * 0.99 and made.resident - made.droppable + made.system == made.needed
    plain = board(2 * GIB, recipe="q4_0", context=512, kv="f16")
    plain = replace(plain, board=replace(plain.board, march="armv8-a"))
    assert budget.budget(one_b, plain, 6 * GIB).copy == 0, "a processor without dot products repacks nothing"


def test_the_table_says_every_recipe_and_marks_the_products(one_b: gguf.Header) -> None:
    lines = table.lines(one_b, board(2 * GIB, recipe="q4_0", context=2048, kv="q8_0"), 6 * GIB)
    assert lines[0].startswith("tiny (llama, 16 layers, 2048 wide, 32 heads, 8 of them with keys) on virt: 2048 MiB of memory")
    head = next(i for i, line in enumerate(lines) if line.startswith("  recipe"))
    rows = {words[0]: words for line in lines[head + 1:-1] if (words := line.lstrip("* ").split())}
    assert set(rows) == {"as_is", "f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0", "q3_k_s", "q2_k"}
    assert rows["f16"][5] == "no" and rows["q4_0"][5] == "yes" and int(rows["q4_0"][8]) > int(rows["q4_0"][6])
    assert sum(line.startswith("* ") and line.split()[1] == "q4_0" for line in lines) == 1
