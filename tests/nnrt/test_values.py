# SPDX-License-Identifier: Apache-2.0
"""Every operation that the reference device computes, by value against numpy, in single and half precision; the others are refused."""

from __future__ import annotations

import re
from typing import Any

import nnrt_library
import numpy as np
import pytest
from nnrt.values import Case, cases
from nnrt_api import API, Failed, Model, Nnrt

CASES = cases()
COMPUTED = 96


def typed(case: Case, dtype: Any) -> list[np.ndarray]:
    """The operands, those of float64 in the type under test."""
    return [x.astype(dtype) if x.dtype == np.float64 else np.asarray(x) for x in case.operands]


def rights(case: Case, operands: list[np.ndarray]) -> list[np.ndarray]:
    wide = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in operands]
    made = case.right(*wide)
    return [np.asarray(x) for x in (made if isinstance(made, list | tuple) else [made])]


def computed(nnrt: Nnrt, case: Case, operands: list[np.ndarray], out: list[np.ndarray], dtype: Any) -> list[np.ndarray]:
    """The outputs of the device. At least one operand has to be an input."""
    model = Model(nnrt)
    constants = case.constants if len(case.constants) < len(operands) else ()
    inputs = []
    for i, x in enumerate(operands):
        quant = {"quant": case.quant[i]} if i in case.quant else {}
        inputs.append(model.constant(x, **quant) if i in constants else model.tensor(type_of(x), x.shape, **quant))
        if i not in constants:
            model.inputs.append(inputs[-1])
    quant = {"quant": case.quant[-1]} if -1 in case.quant else {}
    outputs = [model.value(x.dtype if x.dtype != np.float64 else dtype, x.shape, output=True, **quant) for x in out]
    model.operation(case.op, inputs, outputs, case.params)
    model.finish()
    executor = model.compile(nnrt.devices()[0])
    try:
        return executor.run([x for i, x in enumerate(operands) if i not in constants], [x.shape for x in out])
    finally:
        executor.destroy()


def type_of(x: np.ndarray) -> int:
    from nnrt_api import TYPES

    return TYPES[x.dtype]


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{i}-{case.op}" for i, case in enumerate(CASES)])
def test_an_operation_is_numpys(nnrt: Nnrt, number: int) -> None:
    case = CASES[number]
    for dtype in case.types:
        operands = typed(case, dtype)
        out = rights(case, operands)
        for got, right in zip(computed(nnrt, case, operands, out, dtype), out, strict=True):
            assert got.shape == right.shape or got.size == right.size == 1
            if right.dtype.kind != "f":
                assert got.dtype == right.dtype or case.op == "MOD"
                assert np.array_equal(got.reshape(right.shape), right)
                continue
            scale = max(np.abs(right).max(), 1e-6)
            error = np.abs(got.reshape(right.shape).astype(np.float64) - right)
            bound = 3e-6 if dtype == np.float32 else 1.5e-3
            assert (error <= bound * np.maximum(np.abs(right), 0.3 * scale)).all(), (dtype.__name__, error.max(), scale)


def test_the_table_has_every_operation_that_is_computed() -> None:
    source = (nnrt_library.HOME / "frameworks/native/reference_device/kernel.cpp").read_text()
    has = set(re.findall(r"OH_NN_OPS_(\w+)", source[source.index("ROWS[]"):source.index("};\n\n}")]))
    assert {case.op for case in CASES} == has and len(has) == COMPUTED


def test_the_others_are_refused_by_name_and_at_build(nnrt: Nnrt) -> None:
    lacking = {name.removeprefix("OH_NN_OPS_") for name in API["enums"]["OH_NN_OperationType"]["values"]} - {case.op for case in CASES}
    assert len(lacking) == 108 - COMPUTED
    model = Model(nnrt)
    x = model.input(np.float32, [1, 4, 4, 4])
    model.operation("SPACE_TO_DEPTH", [x], [model.value(np.float32, [1, 2, 2, 16], output=True)], {"SPACE_TO_DEPTH_BLOCK_SIZE": np.array(2)})
    model.finish()
    with pytest.raises(Failed, match="OH_NNCompilation_Build: 1"):
        model.compile()
