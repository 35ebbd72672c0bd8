# SPDX-License-Identifier: Apache-2.0
"""A feed-forward block of a llama layer on the reference device, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from nnrt_api import Model, Nnrt

TURNED = {"MATMUL_TRANSPOSE_B": np.array(True)}


def block(nnrt: Nnrt, dtype: type, weights: list[np.ndarray], tokens: int, *, swish: bool = True) -> Model:
    """down(silu(gate(x)) * up(x)), with weights as rows of the input's width."""
    hidden, wide = weights[0].shape
    model = Model(nnrt)
    x = model.input(dtype, [tokens, wide])
    gate, up, down = (model.constant(weight.astype(dtype)) for weight in weights)
    gated, raised, active, product = (model.value(dtype, [tokens, hidden]) for _ in range(4))
    model.operation("MATMUL", [x, gate], [gated], TURNED)
    model.operation("MATMUL", [x, up], [raised], TURNED)
    if swish:
        model.operation("SWISH", [gated], [active])
    else:                                        # as an API without SWISH has to say it
        share = model.value(dtype, [tokens, hidden])
        model.operation("SIGMOID", [gated], [share])
        model.operation("MUL", [gated, share], [active])
    model.operation("MUL", [active, raised], [product])
    model.operation("MATMUL", [product, down], [model.value(dtype, [tokens, wide], output=True)], TURNED)
    model.finish()
    return model


def numbers(tokens: int, wide: int, hidden: int) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Input, weights and the right answer in double precision."""
    rng = np.random.default_rng(7)
    gate, up = (rng.standard_normal((hidden, wide)) / wide ** 0.5 for _ in range(2))
    down, x = rng.standard_normal((wide, hidden)) / hidden ** 0.5, rng.standard_normal((tokens, wide))
    gated = x @ gate.T
    return x, [gate, up, down], (gated / (1 + np.exp(-gated)) * (x @ up.T)) @ down.T


@pytest.mark.parametrize("dtype,float16,bound", [(np.float32, False, 2e-6), (np.float16, False, 3e-3), (np.float32, True, 3e-3)])
@pytest.mark.parametrize("tokens", [1, 7, 32])
@pytest.mark.parametrize("swish", [True, False])
def test_the_block_is_numpys(nnrt: Nnrt, dtype: type, float16: bool, bound: float, tokens: int, swish: bool) -> None:
    x, weights, right = numbers(tokens, 193, 517)          # no multiple of anything
    executor = block(nnrt, dtype, weights, tokens, swish=swish).compile(nnrt.devices()[0], float16=float16)
    got = [executor.run([x.astype(dtype)])[0] for _ in range(3)]
    executor.destroy()
    assert got[0].dtype == dtype and all(np.array_equal(one, got[0]) for one in got)
    error = np.abs(got[0] - right).max() / np.abs(right).max()
    assert error < bound
    assert bound < 1e-4 or error > 1e-5, "half precision leaves a trace"
