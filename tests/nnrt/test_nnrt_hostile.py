# SPDX-License-Identifier: Apache-2.0
"""Hostile use of the reference NNRt: sizes that overflow, indices of anything, calls in any order. A code or null, never a crash."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Iterator

import numpy as np
import pytest
from nnrt_api import API, E, Executor, Failed, Model, Nnrt, indices

INVALID = 2
BIG = 2 ** 31 - 1
OPS = [number for name, number in API["enums"]["OH_NN_OperationType"]["values"].items()]


@pytest.fixture
def model(nnrt: Nnrt) -> Iterator[Model]:
    made = Model(nnrt)
    yield made
    made.destroy()


def built(nnrt: Nnrt, model: Model) -> int:
    """Finish and Build; the code of what refused, 0 for a model that a device took."""
    code = int(nnrt.OH_NNModel_SpecifyInputsAndOutputs(model.handle, ctypes.byref(indices(model.inputs)), ctypes.byref(indices(model.outputs))))
    code = code or int(nnrt.OH_NNModel_Finish(model.handle))
    if code:
        return code
    compilation = nnrt.must("OH_NNCompilation_Construct", model.handle)
    code = int(nnrt.OH_NNCompilation_Build(compilation))
    executor = nnrt.OH_NNExecutor_Construct(compilation) if not code else None
    nnrt.destroy("OH_NNCompilation_Destroy", compilation)
    if executor is not None:
        nnrt.destroy("OH_NNExecutor_Destroy", executor)
    return code


@pytest.mark.parametrize("dims", [[BIG, BIG], [BIG] * 10, [65536, 65536], [2 ** 16, 2 ** 16, 2 ** 16, 2 ** 16], [1, BIG, 2]])
def test_a_tensor_too_large_is_refused_by_the_model(nnrt: Nnrt, model: Model, dims: list[int]) -> None:
    with pytest.raises(Failed, match="AddTensorToModel: 2"):
        model.tensor(E["FLOAT32"], dims)


@pytest.mark.parametrize("op,params", [
    ("BROADCAST_TO", {"BROADCAST_TO_SHAPE": np.array([BIG, BIG, BIG])}), ("BROADCAST_TO", {"BROADCAST_TO_SHAPE": np.array([-2 ** 63, 2 ** 63 - 1])}),
    ("UNSQUEEZE", {"UNSQUEEZE_AXIS": np.array(2 ** 62)}), ("SQUEEZE", {"SQUEEZE_AXIS": np.array([-2 ** 63])}),
    ("SOFTMAX", {"SOFTMAX_AXIS": np.array(-2 ** 63)}), ("SOFTMAX", {"SOFTMAX_AXIS": np.array([1, 2, 3])}), ("FLATTEN", {"FLATTEN_AXIS": np.array(99)}),
    ("ARG_MAX", {"ARG_MAX_AXIS": np.array(2 ** 63 - 1)}), ("ARG_MAX", {"ARG_MAX_TOP_K": np.array(2 ** 62)}), ("LOG_SOFTMAX", {"LOG_SOFTMAX_AXIS": np.array(-99)}),
    ("L2_NORMALIZE", {"L2_NORMALIZE_AXIS": np.array([2 ** 63 - 1, -2 ** 63])}), ("UNSTACK", {"UNSTACK_AXIS": np.array(2 ** 40)}),
    ("RANGE", {"RANGE_START": np.array(0), "RANGE_LIMIT": np.array(2 ** 63 - 1), "RANGE_DELTA": np.array(1)}),
    ("RANGE", {"RANGE_START": np.array(-2 ** 63), "RANGE_LIMIT": np.array(2 ** 63 - 1), "RANGE_DELTA": np.array(1)}),
    ("RANGE", {"RANGE_START": np.array(0), "RANGE_LIMIT": np.array(9), "RANGE_DELTA": np.array(0)}),
    ("RANGE", {"RANGE_START": np.array(2 ** 63 - 1), "RANGE_LIMIT": np.array(-2 ** 63), "RANGE_DELTA": np.array(-2 ** 63)}),
    ("MAX_POOL", {"MAX_POOL_KERNEL_SIZE": np.array([2 ** 62, 2 ** 62]), "MAX_POOL_STRIDE": np.array([0, 0])}),
    ("AVG_POOL", {"AVG_POOL_KERNEL_SIZE": np.array([2, 2]), "AVG_POOL_STRIDE": np.array([-1, -2 ** 63])}),
    ("AVG_POOL", {"AVG_POOL_KERNEL_SIZE": np.array([1]), "AVG_POOL_STRIDE": np.array([1])}),
    ("MAX_POOL", {"MAX_POOL_KERNEL_SIZE": np.array([2, 2]), "MAX_POOL_STRIDE": np.array([1, 1]), "MAX_POOL_PAD": np.array([2 ** 62, 2 ** 62, 2 ** 62, 2 ** 62])}),
    ("QUANT_DTYPE_CAST", {"QUANT_DTYPE_CAST_SRC_T": np.array(11), "QUANT_DTYPE_CAST_DST_T": np.array(2), "QUANT_DTYPE_CAST_AXIS": np.array(2 ** 63 - 1)}),
])
def test_a_parameter_beyond_all_bounds_is_refused(nnrt: Nnrt, model: Model, op: str, params: dict[str, np.ndarray]) -> None:
    x, y = model.input(np.float32, [2, 3, 4, 5]), model.value(np.float32, [2, 3, 4, 5], output=True)
    try:
        model.operation(op, [x], [y], params)
    except Failed as failed:
        assert failed.code == INVALID
        return
    assert built(nnrt, model) != 0


@pytest.mark.parametrize("op,second", [
    ("RESHAPE", [BIG, BIG]), ("RESHAPE", [-1, -1]), ("RESHAPE", [-9]), ("TILE", [BIG, BIG, BIG, BIG]), ("TILE", [0, 0, 0, 0]), ("TILE", [-1, 1, 1, 1]),
    ("TRANSPOSE", [0, 0, 0, 0]), ("TRANSPOSE", [9, 1, 2, 3]), ("TRANSPOSE", [-1, 1, 2, 3]), ("EXPAND_DIMS", [99]), ("EXPAND_DIMS", []), ("CAST", [77]),
    ("REDUCE_SUM", [-99, BIG]), ("PAD", [BIG] * 8), ("PAD", [-5] * 8), ("PAD", [1]), ("TOP_K", [BIG]), ("TOP_K", [-1]),
])
def test_a_second_operand_beyond_all_bounds_is_refused(nnrt: Nnrt, model: Model, op: str, second: list[int]) -> None:
    x = model.input(np.float32, [2, 3, 4, 5])
    outputs = [model.value(np.float32, [2, 3, 4, 5], output=True)] + ([model.value(np.int32, [2, 3, 4, 5], output=True)] if op == "TOP_K" else [])
    try:
        constant = model.constant(np.array(second, np.int32))
        model.operation(op, [x, constant], outputs)
    except Failed as failed:
        assert failed.code == INVALID
        return
    assert built(nnrt, model) != 0


OPEN = [
    ("BROADCAST_TO", [], {"BROADCAST_TO_SHAPE": np.array([2 ** 32, 2 ** 32, 2, 3])}), ("BROADCAST_TO", [], {"BROADCAST_TO_SHAPE": np.array([BIG, BIG, BIG, 2, 3])}),
    ("TILE", [np.array([BIG, BIG], np.int32)], {}), ("TILE", [np.array([2 ** 62, 2 ** 61])], {}),
    ("CONSTANT_OF_SHAPE", None, {"CONSTANT_OF_SHAPE_DATA_TYPE": np.array(11), "CONSTANT_OF_SHAPE_VALUE": np.array([1], np.float32)}),
    ("STRIDED_SLICE", [np.zeros(10, np.int32), np.zeros(10, np.int32), np.ones(10, np.int32)],
     {"STRIDED_SLICE_NEW_AXIS_MASK": np.array(0x1ff), "STRIDED_SLICE_ELLIPSIS_MASK": np.array(0x200)}),
    ("STRIDED_SLICE", [np.array([2 ** 63 - 1, 0]), np.array([-2 ** 63, 1]), np.array([-2 ** 63, 2 ** 63 - 1])], {}),
    ("STRIDED_SLICE", [np.array([2 ** 63 - 1, 0]), np.array([0, 1]), np.array([1, 1])], {"STRIDED_SLICE_SHRINK_AXIS_MASK": np.array(1)}),
    ("PAD", [np.full((2, 2), 1 << 24, np.int32)], {}), ("FILL", [np.full(4, BIG, np.int32)], {}),
]


@pytest.mark.parametrize("number", range(len(OPEN)), ids=[row[0] for row in OPEN])
@pytest.mark.parametrize("rank", [1, 2, 4, 10])
def test_a_result_of_open_shape_is_not_too_large_either(nnrt: Nnrt, model: Model, number: int, rank: int) -> None:
    """Nothing is declared that a shape could differ from, so only its size can refuse it: at Build or in the run."""
    op, more, params = OPEN[number]
    first = model.input(np.int32, [4]) if more is None else model.input(np.float32, [1] if op == "FILL" else [2, 3])
    model.operation(op, [first, *(model.constant(array) for array in more or [])], [model.value(np.float32, [-1] * rank, output=True)], params)
    model.finish()
    try:
        executor = model.compile(nnrt.devices()[0])
    except Failed:
        model.handle = nnrt.must("OH_NNModel_Construct")          # the fixture's, since compile() takes the model along
        return
    model.handle = nnrt.must("OH_NNModel_Construct")
    values = np.full(4, 65536, np.int32) if more is None else np.ones([1] if op == "FILL" else [2, 3], np.float32)
    with pytest.raises(Failed, match="RunSync: 14"):
        executor.run([values], [[2] * rank])
    executor.destroy()


def test_nothing_divides_by_an_empty_range(nnrt: Nnrt, model: Model) -> None:
    x, none, y = model.input(np.float32, [2, 3]), model.value(np.int32, [-1]), model.value(np.float32, [-1], output=True)
    model.operation("RANGE", [x], [none], {"RANGE_START": np.array(5), "RANGE_LIMIT": np.array(5), "RANGE_DELTA": np.array(1)})
    model.operation("GATHER_ND", [x, none], [y])
    assert built(nnrt, model) == 1


def test_a_graph_that_eats_its_own_tail_is_refused(nnrt: Nnrt, model: Model) -> None:
    x, a, b = model.input(np.float32, [2]), model.value(np.float32, [2]), model.value(np.float32, [2], output=True)
    model.operation("ADD", [x, b], [a])
    model.operation("ADD", [x, a], [b])
    assert built(nnrt, model) != 0


def test_two_makers_of_one_tensor_are_refused(nnrt: Nnrt, model: Model) -> None:
    x, y = model.input(np.float32, [2]), model.value(np.float32, [2], output=True)
    model.operation("NEG", [x], [y])
    model.operation("ABS", [x], [y])
    assert built(nnrt, model) != 0


def test_destroying_twice_is_no_crash(nnrt: Nnrt) -> None:
    for kind, made in (("OH_NNModel", nnrt.must("OH_NNModel_Construct")), ("OH_NNTensorDesc", nnrt.must("OH_NNTensorDesc_Create")),
                       ("OH_NNQuantParam", nnrt.must("OH_NNQuantParam_Create")), ("OH_NNCompilation", nnrt.must("OH_NNCompilation_ConstructForCache"))):
        handle = ctypes.c_void_p(made)
        for turn in range(3):
            answer = getattr(nnrt, f"{kind}_Destroy")(ctypes.byref(handle))
            assert handle.value is None and answer in ((0, None) if not turn else (INVALID, None))


def grown(nnrt: Nnrt, random_: random.Random) -> Model:
    """Up to three random operations, each of which the builder took, on random tensors and on what the ones before give."""
    model, free, made = Model(nnrt), [], []
    for _ in range(random_.randint(2, 7)):
        shape = random_.choice([[2, 3], [2, 3], [3], [1], [], [2, 3, 4], [1, 2, 3, 4]])
        kind = random_.choice([np.float32] * 6 + [np.float16, np.int32, np.int64, np.bool_])
        if random_.random() < 0.4:
            model.constant(np.array(random_.choices(range(-2, 5), k=int(np.prod(shape))), np.int64).astype(kind).reshape(shape))
        else:
            free.append(model.value(kind, shape))
    for _ in range(random_.randint(1, 3)):
        for _ in range(30):
            given = [random_.randrange(model.count) for _ in range(random_.randint(1, 4))]
            outputs = [model.value(random_.choice([np.float32, np.float32, np.int32, np.bool_]), random_.choice([[2, 3], [3], [-1, -1], [-1]]))]
            if not nnrt.OH_NNModel_AddOperation(model.handle, random_.choice(OPS), ctypes.byref(indices([])), ctypes.byref(indices(given)),
                                                ctypes.byref(indices(outputs))):
                made += outputs
                break
    model.inputs, model.outputs = free or [0], made[-2:] or [0]
    return model


def test_whatever_graph_is_named_is_refused_or_built(nnrt: Nnrt) -> None:
    """Three thousand models of random operations: types and shapes seldom fit. The seed is fixed."""
    random_, codes = random.Random(5), []
    for _ in range(3000):
        model = grown(nnrt, random_)
        codes.append(built(nnrt, model))
        model.destroy()
    assert codes.count(0) > 20 and codes.count(1) > 1000, {code: codes.count(code) for code in codes}


OPERATIONS = {name.removeprefix("OH_NN_OPS_"): number for name, number in API["enums"]["OH_NN_OperationType"]["values"].items()}


def compiled(nnrt: Nnrt, model: Model) -> Executor | None:
    try:
        model.finish()
    except Failed:
        model.destroy()
        return None
    try:
        return model.compile(nnrt.devices()[0])                  # the model is gone then, whatever it says
    except Failed:
        return None


def runs_of(nnrt: Nnrt, op: int, turns: int) -> list[bool]:
    """Random operands with every dimension open, so that all is left to the run: which of the runs did well."""
    random_, went = random.Random(op), []
    for _ in range(turns):
        model, rank = Model(nnrt), random_.randint(1, 4)
        kinds = [random_.choice([np.float32, np.float32, np.float32, np.int32, np.int64, np.bool_]) for _ in range(random_.choice([1, 1, 2, 2, 3, 4, 5]))]
        if random_.random() < 0.5:
            kinds = [kinds[0]] * len(kinds)
        given = [model.input(kind, [-1] * rank) for kind in kinds]
        shapes = [random_.choice([rank, rank, random_.randint(1, 4)]) for _ in range(random_.choice([1, 1, 1, 2]))]
        outputs = [model.value(random_.choice([kinds[0], np.float32, np.int32, np.bool_]), [-1] * length, output=True) for length in shapes]
        if nnrt.OH_NNModel_AddOperation(model.handle, op, ctypes.byref(indices([])), ctypes.byref(indices(given)), ctypes.byref(indices(outputs))):
            model.destroy()
            continue
        executor = compiled(nnrt, model)
        for _ in range(4 if executor else 0):
            size = [random_.choice([1, 2, 3, 5]) for _ in range(rank)]
            values = [np.random.default_rng(random_.randrange(99)).integers(-3, 9, size if random_.random() < 0.8 else [2] * rank).astype(kind) for kind in kinds]
            try:
                executor.run(values, [[random_.choice([2, 4, 5])] * length for length in shapes])
                went.append(True)
            except Failed:
                went.append(False)
        if executor:
            executor.destroy()
    return went


def test_each_operation_runs_or_refuses_whatever_its_operands_are(nnrt: Nnrt) -> None:
    went = {op: runs_of(nnrt, number, 60) for op, number in OPERATIONS.items()}
    some = {op for op, runs in went.items() if any(runs)}
    assert len(some) > 50 and sum(any(not well for well in runs) for runs in went.values()) > 50, (sorted(some), {op: len(runs) for op, runs in went.items()})
