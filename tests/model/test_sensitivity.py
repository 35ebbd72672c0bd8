# SPDX-License-Identifier: Apache-2.0
"""Costs from three divergences: the slope, the floor of each family, and the type's own where it tells more."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kiln.model import sensitivity
from kiln.model.gguf import Tensor
from kiln.model.losses import types

ENERGIES = {"Q2_K": 400.0, "Q3_K": 100.0, "Q4_K": 25.0, "Q5_K": 6.0, "Q6_K": 1.5, "Q8_0": 0.1, "IQ4_XS": 30.0, "Q4_0": 40.0, "Q4_1": 35.0, "Q5_0": 10.0,
            "Q5_1": 8.0, "IQ4_NL": 33.0}


def matrix(name: str, columns: int = 256, rows: int = 64) -> Tensor:
    return Tensor(name, "F16", (columns, rows), 0, 2 * columns * rows)


def test_k_types_have_their_inputs_floor_and_the_others_theirs() -> None:
    made = sensitivity.fitted(ENERGIES, {"Q3_K": 1e-4, "Q6_K": 2e-5, "Q8_0": 1e-6})
    assert made["Q3_K"] == pytest.approx(1e-4 + 2e-5 - 1.5e-6) and made["Q6_K"] == pytest.approx(2e-5)
    assert made["Q5_1"] == pytest.approx(8e-6 + 0.9e-6) and made["Q5_1"] < made["Q6_K"], "half the precision, and still better"


def test_a_divergence_of_nothing_gives_a_slope_all_the_same() -> None:
    assert all(cost > 0 for cost in sensitivity.fitted(ENERGIES, {"Q3_K": -0.0, "Q6_K": 0.0, "Q8_0": 0.0}).values())


def test_what_tells_nothing_is_not_asked() -> None:
    asked = []

    def divergence(kinds: Mapping[str, str]) -> float:
        asked.append(kinds)
        (kind,) = kinds.values()
        return {"Q4_K": 7e-5}.get(kind, ENERGIES[kind] * 1e-6)

    tensor = matrix("blk.0.attn_q.weight")
    smooth, direct = sensitivity.measured([(tensor,)], {tensor.name: {"": 1e4, **ENERGIES}}, divergence)
    assert smooth[tensor.name]["Q4_K"] == pytest.approx(2.5e-5) and direct[tensor.name]["Q4_K"] == 7e-5
    assert {kind for one in asked for kind in one.values()} == {kind for kind, energy in ENERGIES.items() if energy > 5} | {"Q6_K", "Q8_0"}
    assert smooth[tensor.name].keys() == direct[tensor.name].keys() == set(types(tensor))


def test_matrices_of_a_kind_share_what_was_measured_of_all() -> None:
    pair = (matrix("blk.0.ffn_up.weight"), matrix("blk.1.ffn_up.weight"))
    each = {one.name: {kind: energy * share for kind, energy in {"": 1e4, **ENERGIES}.items()} for one, share in zip(pair, (1, 3), strict=True)}
    smooth, direct = sensitivity.measured([pair], each, lambda kinds: 4e-6 * ENERGIES[next(iter(kinds.values()))])
    assert smooth == direct and smooth["blk.1.ffn_up.weight"]["Q4_K"] == pytest.approx(3 * smooth["blk.0.ffn_up.weight"]["Q4_K"])
    assert smooth["blk.0.ffn_up.weight"]["Q4_K"] == pytest.approx(25e-6)


@pytest.mark.parametrize("rows,count,groups", [(64, 8, 8), (100_000, 8, 1), (1_000_000, 8, 0)])
def test_a_model_is_run_by_matrix_by_kind_or_not_at_all(rows: int, count: int, groups: int) -> None:
    assert len(sensitivity.groups([matrix(f"blk.{n}.ffn_up.weight", rows=rows) for n in range(count)])) == groups
