# SPDX-License-Identifier: Apache-2.0
"""The knapsack: as good as trying everything, never over its room."""

from __future__ import annotations

import itertools
import random

import pytest

from kiln.model.knapsack import Option, choose


def best(options: dict[str, list[Option]], room: int) -> float | None:
    """The least loss, by trying every combination."""
    losses = [sum(one.loss for one in every) for every in itertools.product(*options.values()) if sum(one.size for one in every) <= room]
    return min(losses, default=None)


def loss(options: dict[str, list[Option]], kinds: dict[str, str]) -> float:
    return sum(next(one.loss for one in every if one.kind == kinds[name]) for name, every in options.items())


def size(options: dict[str, list[Option]], kinds: dict[str, str]) -> int:
    return sum(next(one.size for one in every if one.kind == kinds[name]) for name, every in options.items())


@pytest.mark.parametrize("seed", range(40))
def test_within_a_tenth_of_trying_everything(seed: int) -> None:
    rng = random.Random(seed)
    options = {f"m{n}": [Option(kind, int(bits * width), rng.uniform(0.2, 2) * width * 4.0 ** -bits) for kind, bits in
                         (("Q2_K", 2.6), ("Q4_K", 4.5), ("Q6_K", 6.6), ("Q8_0", 8.5))]
               for n, width in enumerate(rng.choice((100, 300, 1000)) for _ in range(6))}
    least = sum(min(one.size for one in every) for every in options.values())
    for room in (least, int(least * 1.3), int(least * 2)):
        kinds, wanted = choose(options, room), best(options, room)
        assert kinds is not None and wanted is not None and size(options, kinds) <= room
        assert loss(options, kinds) <= 1.1 * wanted + 1e-12
    assert choose(options, least - 1) is None


def test_an_option_that_another_beats_is_never_taken() -> None:
    options = {"m": [Option("good", 10, 1.0), Option("large", 20, 1.5), Option("same", 10, 2.0)]}
    assert choose(options, 100) == {"m": "good"}
