# SPDX-License-Identifier: Apache-2.0
"""What each function answers to nulls, in the wrong state and to wrong numbers: the real library's codes."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from nnrt_api import API, E, Executor, Failed, Memory, Model, Nnrt, OldTensor, indices

OK, FAILED, INVALID, MEMORY, FORBIDDEN, NULL_PTR, FILE, UNSUPPORTED, DYNAMIC, UNAVAILABLE = 0, 1, 2, 3, 4, 5, 6, 10, 13, 14


def ref(value: Any) -> Any:
    return ctypes.byref(value)


def dims(*values: int) -> Any:
    return (ctypes.c_int32 * len(values))(*values)


def add(nnrt: Nnrt, *, finish: bool = True, shape: tuple[int, ...] = (2, 3)) -> Model:
    """y = x + 1."""
    model = Model(nnrt)
    x, one, y = model.input(np.float32, shape), model.constant(np.ones(3, np.float32)), model.value(np.float32, shape, output=True)
    model.operation("ADD", [x, one], [y])
    if finish:
        model.finish()
    return model


@pytest.fixture
def executor(nnrt: Nnrt) -> Iterator[Executor]:
    made = add(nnrt).compile(nnrt.devices()[0])
    yield made
    made.destroy()


@pytest.fixture
def model(nnrt: Nnrt) -> Iterator[Model]:
    made = Model(nnrt)
    yield made
    made.destroy()


@pytest.fixture
def desc(nnrt: Nnrt) -> Iterator[int]:
    handle = nnrt.must("OH_NNTensorDesc_Create")
    yield handle
    nnrt.destroy("OH_NNTensorDesc_Destroy", handle)


@pytest.mark.parametrize("name", [name for name, row in API["functions"].items() if any(kind.endswith("*") for kind, _ in row["params"])])
def test_nulls_are_no_crash(nnrt: Nnrt, name: str) -> None:
    """Null for every pointer."""
    row = API["functions"][name]
    gave = getattr(nnrt, name)(*(None if kind.endswith("*") or kind.startswith("NN_On") else 1 for kind, _ in row["params"]))
    assert gave == (INVALID if row["returns"] == "OH_NN_ReturnCode" else None)


def handles(nnrt: Nnrt, executor: Executor, model: Model, desc: int, compilation: int, tensor: int, quant: int) -> dict[str, int]:
    return {"OH_NNExecutor *": executor.handle, "OH_NNModel *": model.handle, "NN_TensorDesc *": desc, "OH_NNCompilation *": compilation,
            "NN_Tensor *": tensor, "NN_QuantParam *": quant}


def test_a_null_behind_a_real_handle_is_invalid(nnrt: Nnrt, executor: Executor, model: Model, desc: int) -> None:
    """Every function with each of its later pointers null, the handle real; a finished model keeps SetTensorData and the like from acting."""
    device = nnrt.devices()[0]
    nnrt.must("OH_NNTensorDesc_SetDataType", desc, E["FLOAT32"])
    nnrt.must("OH_NNTensorDesc_SetShape", desc, dims(2, 3), 2)
    compilation, quant = nnrt.must("OH_NNCompilation_Construct", model.handle), nnrt.must("OH_NNQuantParam_Create")
    tensor = nnrt.must("OH_NNTensor_Create", device, desc)
    real, tried = handles(nnrt, executor, model, desc, compilation, tensor, quant), 0
    for name, row in API["functions"].items():
        kinds = [kind.replace("const ", "") for kind, _ in row["params"]]
        if not kinds or kinds[0] not in real or "Destroy" in name:
            continue
        for null in (i for i, kind in enumerate(kinds) if i and (kind.endswith("*") or kind.startswith("NN_On"))):
            arguments = [real[kinds[0]], *(None if i >= null and (kind.endswith("*") or kind.startswith("NN_On")) else
                                           b"word" if kind == "char *" else ctypes.create_string_buffer(256) if kind.endswith("*") else 0
                                           for i, kind in enumerate(kinds) if i)]
            arguments = [ctypes.cast(one, ctypes.c_void_p) if isinstance(one, ctypes.Array) else one for one in arguments]
            assert getattr(nnrt, name)(*arguments) == (INVALID if row["returns"] == "OH_NN_ReturnCode" else None), (name, null)
            tried += 1
    assert tried > 50
    nnrt.destroy("OH_NNTensor_Destroy", tensor)
    nnrt.destroy("OH_NNQuantParam_Destroy", quant)
    nnrt.destroy("OH_NNCompilation_Destroy", compilation)


def test_devices(nnrt: Nnrt) -> None:
    ids, count, name, kind = ctypes.c_void_p(), ctypes.c_uint32(), ctypes.c_char_p(), ctypes.c_int()
    assert nnrt.OH_NNDevice_GetAllDevicesID(ref(ids), ref(count)) == OK and count.value == 1
    assert nnrt.OH_NNDevice_GetAllDevicesID(ref(ids), ref(count)) == INVALID, "the pointer has to be null"
    for device in (0, nnrt.devices()[0]):
        name.value = None
        assert nnrt.OH_NNDevice_GetName(device, ref(name)) == OK and name.value == b"kiln-reference-cpu_sandbox_v2_1"
        assert nnrt.OH_NNDevice_GetType(device, ref(kind)) == OK and kind.value == E["CPU"]
    assert nnrt.OH_NNDevice_GetName(0, ref(name)) == INVALID
    name.value = None
    assert nnrt.OH_NNDevice_GetName(77, ref(name)) == FAILED and nnrt.OH_NNDevice_GetType(77, ref(kind)) == INVALID


def test_descriptions(nnrt: Nnrt, desc: int) -> None:
    count, kind, size = ctypes.c_size_t(9), ctypes.c_int(9), ctypes.c_size_t(9)
    assert nnrt.OH_NNTensorDesc_GetDataType(desc, ref(kind)) == OK and kind.value == 0
    assert nnrt.OH_NNTensorDesc_GetFormat(desc, ref(kind)) == OK and kind.value == 0
    assert nnrt.OH_NNTensorDesc_GetElementCount(desc, ref(count)) == INVALID and nnrt.OH_NNTensorDesc_GetByteSize(desc, ref(size)) == INVALID
    for wrong in (-1, 13):
        assert nnrt.OH_NNTensorDesc_SetDataType(desc, wrong) == INVALID
    for wrong in (-1, 4):
        assert nnrt.OH_NNTensorDesc_SetFormat(desc, wrong) == INVALID
    assert nnrt.OH_NNTensorDesc_SetShape(desc, dims(*[1] * 11), 11) == INVALID and nnrt.OH_NNTensorDesc_SetShape(desc, dims(1), 0) == INVALID
    assert nnrt.OH_NNTensorDesc_SetShape(desc, dims(0, -1), 2) == OK, "values are not looked at"
    assert nnrt.OH_NNTensorDesc_GetElementCount(desc, ref(count)) == DYNAMIC and count.value == 0
    assert nnrt.OH_NNTensorDesc_GetByteSize(desc, ref(size)) == INVALID, "no type"
    nnrt.must("OH_NNTensorDesc_SetDataType", desc, E["FLOAT16"])
    assert nnrt.OH_NNTensorDesc_GetByteSize(desc, ref(size)) == OK and size.value == 0
    nnrt.must("OH_NNTensorDesc_SetShape", desc, dims(3, 5), 2)
    assert nnrt.OH_NNTensorDesc_GetByteSize(desc, ref(size)) == OK and size.value == 30
    nnrt.must("OH_NNTensorDesc_SetShape", desc, dims(*[2 ** 31 - 1] * 4), 4)
    assert nnrt.OH_NNTensorDesc_GetElementCount(desc, ref(count)) == INVALID
    shape, name = ctypes.c_void_p(), ctypes.c_char_p()
    assert nnrt.OH_NNTensorDesc_GetShape(desc, ref(shape), ref(count)) == OK and count.value == 4
    assert nnrt.OH_NNTensorDesc_GetShape(desc, ref(shape), ref(count)) == INVALID
    assert nnrt.OH_NNTensorDesc_GetName(desc, ref(name)) == OK and name.value == b""
    name.value = None
    assert nnrt.OH_NNTensorDesc_SetName(desc, b"n") == OK and nnrt.OH_NNTensorDesc_GetName(desc, ref(name)) == OK and name.value == b"n"
    assert nnrt.OH_NNTensorDesc_GetName(desc, ref(name)) == INVALID


def test_tensors(nnrt: Nnrt, desc: int) -> None:
    device, page = nnrt.devices()[0], os.sysconf("SC_PAGE_SIZE")
    assert nnrt.OH_NNTensor_Create(device, desc) is None
    nnrt.must("OH_NNTensorDesc_SetDataType", desc, E["FLOAT32"])
    for shape, made in ((dims(-1, 4), False), (dims(2 ** 14, 2 ** 14), True), (dims(2 ** 15, 2 ** 14), False), (dims(4, 4), True)):
        nnrt.must("OH_NNTensorDesc_SetShape", desc, shape, 2)
        tensor = nnrt.OH_NNTensor_Create(device, desc)
        assert (tensor is not None) == made
        if made:
            nnrt.destroy("OH_NNTensor_Destroy", tensor)
    assert nnrt.OH_NNTensor_Create(77, desc) is None
    assert nnrt.OH_NNTensor_CreateWithSize(device, desc, 63) is None and nnrt.OH_NNTensor_CreateWithSize(device, desc, 0) is None
    first = nnrt.must("OH_NNTensor_CreateWithSize", device, desc, page + 64)
    fd, size, offset = ctypes.c_int(), ctypes.c_size_t(), ctypes.c_size_t()
    nnrt.must("OH_NNTensor_GetFd", first, ref(fd))
    for number, whole, start in ((-1, 64, 0), (fd.value, 0, 0), (fd.value, 64, 65), (fd.value, 64, 1), (fd.value, page + 64, 64), (fd.value, page + 65, 0)):
        assert nnrt.OH_NNTensor_CreateWithFd(device, desc, number, whole, start) is None, (number, whole, start)
    second = nnrt.must("OH_NNTensor_CreateWithFd", device, desc, fd.value, page + 64, page)
    nnrt.must("OH_NNTensor_GetSize", second, ref(size))
    nnrt.must("OH_NNTensor_GetOffset", second, ref(offset))
    assert (size.value, offset.value) == (page + 64, page)
    ctypes.memmove(nnrt.OH_NNTensor_GetDataBuffer(second), b"here", 4)
    assert ctypes.string_at(nnrt.OH_NNTensor_GetDataBuffer(first) + page, 4) == b"here"
    nnrt.must("OH_NNTensorDesc_SetShape", desc, dims(9, 9), 2)
    inner, count = nnrt.must("OH_NNTensor_GetTensorDesc", first), ctypes.c_size_t()
    assert nnrt.OH_NNTensorDesc_GetElementCount(inner, ref(count)) == OK and count.value == 16, "its own description"
    for tensor in (first, second):
        assert nnrt.destroy("OH_NNTensor_Destroy", tensor) == OK
    assert nnrt.OH_NNTensor_Destroy(ref(ctypes.c_void_p())) == INVALID


def test_quantization_parameters(nnrt: Nnrt, model: Model) -> None:
    index = model.tensor(E["INT8"], [4])
    quant, one = nnrt.must("OH_NNQuantParam_Create"), (ctypes.c_double * 2)(1, 2)
    assert nnrt.OH_NNModel_SetTensorQuantParams(model.handle, index, quant) == OK, "none at all are equal in number"
    assert nnrt.OH_NNQuantParam_SetScales(quant, one, 0) == INVALID and nnrt.OH_NNQuantParam_SetScales(quant, one, 2) == OK
    assert nnrt.OH_NNModel_SetTensorQuantParams(model.handle, index, quant) == INVALID
    assert nnrt.OH_NNQuantParam_SetZeroPoints(quant, dims(0, 0), 2) == OK
    assert nnrt.OH_NNQuantParam_SetNumBits(quant, (ctypes.c_uint32 * 2)(8, 4), 2) == OK
    assert nnrt.OH_NNModel_SetTensorQuantParams(model.handle, index, quant) == INVALID, "eight bits only"
    assert nnrt.OH_NNQuantParam_SetNumBits(quant, (ctypes.c_uint32 * 2)(8, 8), 2) == OK
    assert nnrt.OH_NNModel_SetTensorQuantParams(model.handle, index, quant) == OK, "the count is not held against the shape"
    assert nnrt.OH_NNModel_SetTensorQuantParams(model.handle, 9, quant) == INVALID
    handle = ctypes.c_void_p(quant)
    assert nnrt.OH_NNQuantParam_Destroy(ref(handle)) == OK and handle.value is None
    assert nnrt.OH_NNQuantParam_Destroy(ref(handle)) == INVALID


def test_tensors_of_a_model(nnrt: Nnrt, model: Model, desc: int) -> None:
    index = model.tensor(E["FLOAT32"], [2, 2])
    data = np.zeros(4, np.float32)
    for length in (0, 15, 17):
        assert nnrt.OH_NNModel_SetTensorData(model.handle, index, data.ctypes.data, length) == INVALID
    assert nnrt.OH_NNModel_SetTensorData(model.handle, 5, data.ctypes.data, 16) == INVALID
    assert nnrt.OH_NNModel_SetTensorData(model.handle, index, data.ctypes.data, 16) == OK
    assert nnrt.OH_NNModel_SetTensorData(model.handle, index, data.ctypes.data, 16) == INVALID, "once"
    open_ = model.tensor(E["FLOAT32"], [-1, 2])
    assert nnrt.OH_NNModel_SetTensorData(model.handle, open_, data.ctypes.data, 16) == FORBIDDEN
    for role, code in ((-1, INVALID), (163, INVALID), (162, OK)):
        assert nnrt.OH_NNModel_SetTensorType(model.handle, open_, role) == code
    nnrt.must("OH_NNTensorDesc_SetDataType", desc, E["FLOAT32"])
    for shape, code in ((dims(0, 1), INVALID), (dims(-2, 1), INVALID), (dims(-1, 1), OK), (dims(2 ** 15, 2 ** 15), INVALID)):
        nnrt.must("OH_NNTensorDesc_SetShape", desc, shape, 2)
        assert nnrt.OH_NNModel_AddTensorToModel(model.handle, desc) == code


def test_the_old_form_of_a_tensor(nnrt: Nnrt, model: Model) -> None:
    shape = dims(2, 3)
    for tensor, code in ((OldTensor(E["FLOAT32"], 2, shape, None, 0), OK), (OldTensor(E["INT8"], 0, None, None, 1), OK),
                         (OldTensor(13, 2, shape, None, 0), INVALID), (OldTensor(E["FLOAT32"], 2, None, None, 0), INVALID),
                         (OldTensor(E["FLOAT32"], 2, shape, None, 163), INVALID), (OldTensor(E["FLOAT32"], 2, dims(0, 1), None, 0), INVALID)):
        assert nnrt.OH_NNModel_AddTensor(model.handle, ref(tensor)) == code


def test_add_operation(nnrt: Nnrt, model: Model) -> None:
    x, y, z = (model.tensor(E["FLOAT32"], [2]) for _ in range(3))
    activation, axis = model.constant(np.array(0, np.int8), "ADD_ACTIVATIONTYPE"), model.constant(np.array(0), "CONCAT_AXIS")
    empty = model.tensor(E["INT8"], [1], role="ADD_ACTIVATIONTYPE")
    wide, wrong = model.constant(np.array(0), "ADD_ACTIVATIONTYPE"), model.constant(np.zeros(2, np.int8), "ADD_ACTIVATIONTYPE")

    def say(op: int, params: list[int], inputs: list[int], outputs: list[int]) -> int:
        return int(nnrt.OH_NNModel_AddOperation(model.handle, op, ref(indices(params)), ref(indices(inputs)), ref(indices(outputs))))

    assert say(1, [activation], [x, y], [z]) == OK and say(1, [], [x, y], [z]) == OK, "parameters have defaults"
    for op in (0, 109, -1):
        assert say(op, [], [x, y], [z]) == INVALID
    for params, inputs, outputs in (([axis], [x, y], [z]), ([empty], [x, y], [z]), ([wide], [x, y], [z]), ([wrong], [x, y], [z]),
                                    ([], [x], [z]), ([], [x, y, x], [z]), ([], [x, y], []), ([], [x, y], [z, x]), ([], [x, y], [x]),
                                    ([], [x, 99], [z]), ([99], [x, y], [z]), ([], [x, activation], [z]), ([], [x, y], [axis])):
        assert say(1, params, inputs, outputs) == INVALID, (params, inputs, outputs)
    assert say(7, [], [x] * 201, [z]) == INVALID
    kept = model.tensor(E["INT32"], [1])
    assert say(6, [], [x, kept], [z]) == INVALID, "CAST reads its type at once"
    assert say(32, [], [x], [y, z]) == INVALID, "SPLIT has to say how many"


def test_the_life_of_a_model(nnrt: Nnrt) -> None:
    model = Model(nnrt)
    assert nnrt.OH_NNModel_Finish(model.handle) == FORBIDDEN
    model.destroy()
    model = add(nnrt, finish=False)
    flags, count = ctypes.c_void_p(), ctypes.c_uint32()
    assert nnrt.OH_NNModel_Finish(model.handle) == FORBIDDEN, "no inputs and outputs"
    assert nnrt.OH_NNModel_GetAvailableOperations(model.handle, 0, ref(flags), ref(count)) == FORBIDDEN
    specify: Callable[..., int] = lambda i, o: nnrt.OH_NNModel_SpecifyInputsAndOutputs(model.handle, ref(indices(i)), ref(indices(o)))  # noqa: E731
    for inputs, outputs in (([], [2]), ([0], []), ([0], [9]), ([0], [0]), ([0] * 201, [2])):
        assert specify(inputs, outputs) == INVALID
    assert specify([0, 1], [2]) == OK, "a constant may be an input"
    assert specify([0], [2]) == FORBIDDEN
    assert nnrt.OH_NNModel_Finish(model.handle) == OK and nnrt.OH_NNModel_Finish(model.handle) == FORBIDDEN
    none = indices([])
    assert nnrt.OH_NNModel_AddOperation(model.handle, 1, ref(none), ref(indices([0, 1])), ref(indices([2]))) == FORBIDDEN
    assert nnrt.OH_NNModel_SetTensorType(model.handle, 0, 0) == FORBIDDEN
    assert nnrt.OH_NNModel_SetTensorData(model.handle, 0, b"1234", 4) == FORBIDDEN
    assert model.tensor(E["FLOAT32"], [1]) == 3, "and yet another tensor is taken"
    assert nnrt.OH_NNModel_GetAvailableOperations(model.handle, 77, ref(flags), ref(count)) == FAILED
    assert nnrt.OH_NNModel_GetAvailableOperations(model.handle, 0, ref(flags), ref(count)) == OK and count.value == 1
    assert nnrt.OH_NNModel_GetAvailableOperations(model.handle, 0, ref(flags), ref(count)) == INVALID
    model.destroy()
    spoilt = Model(nnrt)
    x, y = spoilt.input(np.float32, [2]), spoilt.value(np.int8, [2], output=True, quant=([1.0], [0]))
    spoilt.operation("QUANT_DTYPE_CAST", [x], [y])
    with pytest.raises(Failed, match="Finish: 1"):
        spoilt.finish()
    assert nnrt.OH_NNModel_Finish(spoilt.handle) == FORBIDDEN
    spoilt.destroy()


def test_compilations(nnrt: Nnrt) -> None:
    model, device = add(nnrt), nnrt.devices()[0]

    def build(*settings: tuple[Any, ...], of: int | None = None) -> int:
        handle = nnrt.must("OH_NNCompilation_Construct", of or model.handle)
        for name, *arguments in settings:
            assert getattr(nnrt, f"OH_NNCompilation_{name}")(handle, *arguments) == OK, name
        code = nnrt.OH_NNCompilation_Build(handle)
        assert (nnrt.OH_NNExecutor_Construct(handle) is None) == (code != OK)
        assert nnrt.OH_NNCompilation_Build(handle) == INVALID, "a second Build"
        nnrt.destroy("OH_NNCompilation_Destroy", handle)
        return code

    assert build() == OK and build(("SetDevice", device), ("SetPerformanceMode", 4), ("SetPriority", 3), ("EnableFloat16", True)) == OK
    assert build(("SetDevice", 77)) == FAILED and build(("SetPerformanceMode", 5)) == INVALID and build(("SetPriority", -1)) == INVALID
    assert build(("AddExtensionConfig", b"Whatever", b"x", 1)) == OK, "ignored"
    assert build(("ImportCacheFromBuffer", b"12345678", 8)) == FAILED
    unfinished = add(nnrt, finish=False)
    assert build(of=unfinished.handle) == INVALID
    unfinished.destroy()
    built, length = nnrt.must("OH_NNCompilation_Construct", model.handle), ctypes.c_size_t()
    assert nnrt.OH_NNCompilation_ExportCacheToBuffer(built, b"1234", 4, ref(length)) == INVALID
    nnrt.must("OH_NNCompilation_Build", built)
    assert nnrt.OH_NNCompilation_ExportCacheToBuffer(built, b"1234", 4, ref(length)) == UNSUPPORTED
    assert nnrt.OH_NNCompilation_SetDevice(built, device) == OK, "a setter after Build"
    nnrt.destroy("OH_NNCompilation_Destroy", built)
    model.destroy()
    for made in (nnrt.must("OH_NNCompilation_ConstructWithOfflineModelFile", b"/no"), nnrt.must("OH_NNCompilation_ConstructForCache"),
                 nnrt.must("OH_NNCompilation_ConstructWithOfflineModelBuffer", b"1234", 4)):
        assert nnrt.OH_NNCompilation_Build(made) != OK
        nnrt.destroy("OH_NNCompilation_Destroy", made)
    assert nnrt.OH_NNCompilation_ConstructWithOfflineModelBuffer(b"1234", 0) is None


def test_executors(nnrt: Nnrt, executor: Executor) -> None:
    count, least, most = ctypes.c_size_t(), ctypes.POINTER(ctypes.c_size_t)(), ctypes.POINTER(ctypes.c_size_t)()
    shape, length = ctypes.POINTER(ctypes.c_int32)(), ctypes.c_uint32()
    handle = executor.handle
    assert nnrt.OH_NNExecutor_GetInputCount(handle, ref(count)) == OK and count.value == 1
    assert nnrt.OH_NNExecutor_CreateInputTensorDesc(handle, 1) is None and nnrt.OH_NNExecutor_CreateOutputTensorDesc(handle, 1) is None
    assert nnrt.OH_NNExecutor_GetInputDimRange(handle, 1, ref(least), ref(most), ref(count)) == INVALID
    assert nnrt.OH_NNExecutor_GetInputDimRange(handle, 0, ref(least), ref(most), ref(count)) == OK and least[:2] == most[:2] == [2, 3]
    assert nnrt.OH_NNExecutor_GetOutputShape(handle, 1, ref(shape), ref(length)) == INVALID
    assert nnrt.OH_NNExecutor_GetOutputShape(handle, 0, ref(shape), ref(length)) == OK and shape[:2] == [2, 3]
    assert nnrt.OH_NNExecutor_GetOutputShape(handle, 0, ref(shape), ref(length)) == INVALID
    callback = ctypes.CFUNCTYPE(None)(lambda: None)
    assert nnrt.OH_NNExecutor_SetOnRunDone(handle, ctypes.cast(callback, ctypes.c_void_p)) == FORBIDDEN
    assert nnrt.OH_NNExecutor_SetOnServiceDied(handle, ctypes.cast(callback, ctypes.c_void_p)) == FORBIDDEN
    desc = nnrt.must("OH_NNExecutor_CreateInputTensorDesc", handle, 0)
    kind, name = ctypes.c_int(), ctypes.c_char_p()
    assert nnrt.OH_NNTensorDesc_GetFormat(desc, ref(kind)) == OK and kind.value == E["FORMAT_NHWC"]
    assert nnrt.OH_NNTensorDesc_GetName(desc, ref(name)) == OK and name.value == b"Tensor: 0"
    x, y = (nnrt.must("OH_NNTensor_Create", executor.device, desc) for _ in range(2))
    array: Callable[..., Any] = lambda *tensors: (ctypes.c_void_p * len(tensors))(*tensors)  # noqa: E731
    run = nnrt.OH_NNExecutor_RunSync
    assert run(handle, array(x), 1, array(y), 1) == OK
    for inputs, outputs in (((x, x), (y,)), ((x,), (y, y)), ((None,), (y,)), ((x,), (None,))):
        assert run(handle, array(*inputs), len(inputs), array(*outputs), len(outputs)) == INVALID
    assert run(handle, array(x), 0, array(y), 1) == INVALID
    assert nnrt.OH_NNExecutor_RunAsync(handle, array(x), 1, array(y), 1, 9, None) == INVALID
    assert nnrt.OH_NNExecutor_RunAsync(handle, array(x), 1, array(y), 1, 9, 1) == FORBIDDEN
    inner = nnrt.must("OH_NNTensor_GetTensorDesc", y)
    nnrt.must("OH_NNTensorDesc_SetShape", inner, dims(900, 900), 2)
    assert run(handle, array(x), 1, array(y), 1) == FAILED, "the buffer is smaller than its description"
    nnrt.must("OH_NNTensorDesc_SetShape", inner, dims(1, 1), 2)
    assert run(handle, array(x), 1, array(y), 1) == OK, "what the output is, is written there"
    assert nnrt.OH_NNTensorDesc_GetElementCount(inner, ref(count)) == OK and count.value == 6
    inner = nnrt.must("OH_NNTensor_GetTensorDesc", x)
    nnrt.must("OH_NNTensorDesc_SetDataType", inner, E["INT32"])
    assert run(handle, array(x), 1, array(y), 1) == UNAVAILABLE, "types are the driver's business"
    nnrt.must("OH_NNTensorDesc_SetShape", inner, dims(2, 2), 2)
    assert run(handle, array(x), 1, array(y), 1) == INVALID
    nnrt.destroy("OH_NNTensorDesc_Destroy", desc)
    for tensor in (x, y):
        nnrt.destroy("OH_NNTensor_Destroy", tensor)


def test_the_calls_up_to_api_10(nnrt: Nnrt, executor: Executor) -> None:
    handle, shape = executor.handle, dims(2, 3)
    tensor, x, y = OldTensor(E["FLOAT32"], 2, shape, None, 0), np.arange(6, dtype=np.float32), np.zeros(6, np.float32)
    assert nnrt.OH_NNExecutor_Run(handle) == INVALID
    for index, length, other in ((1, 24, tensor), (0, 23, tensor), (0, 24, OldTensor(E["INT32"], 2, shape, None, 0)),
                                 (0, 24, OldTensor(E["FLOAT32"], 2, dims(3, 2), None, 0)), (0, 24, OldTensor(E["FLOAT32"], 1, shape, None, 0))):
        assert nnrt.OH_NNExecutor_SetInput(handle, index, ref(other), x.ctypes.data, length) == INVALID
    assert nnrt.OH_NNExecutor_SetInput(handle, 0, ref(tensor), x.ctypes.data, 24) == OK
    assert nnrt.OH_NNExecutor_Run(handle) == INVALID, "no output yet"
    assert nnrt.OH_NNExecutor_SetOutput(handle, 0, y.ctypes.data, 23) == INVALID and nnrt.OH_NNExecutor_SetOutput(handle, 1, y.ctypes.data, 24) == INVALID
    assert nnrt.OH_NNExecutor_SetOutput(handle, 0, y.ctypes.data, 24) == OK
    x_before = x.copy()
    x[:] = 9                                                # it was copied
    assert nnrt.OH_NNExecutor_Run(handle) == OK and (y == x_before + 1).all()
    assert nnrt.OH_NNExecutor_AllocateInputMemory(handle, 0, 0) is None and nnrt.OH_NNExecutor_AllocateInputMemory(handle, 1, 24) is None
    memory, out, small = (nnrt.must(f"OH_NNExecutor_Allocate{which}Memory", handle, 0, size) for which, size in (("Input", 24), ("Output", 24), ("Output", 23)))
    assert nnrt.OH_NNExecutor_SetInputWithMemory(handle, 0, ref(tensor), out) == INVALID
    assert nnrt.OH_NNExecutor_SetOutputWithMemory(handle, 0, small) == INVALID
    assert nnrt.OH_NNExecutor_SetInputWithMemory(handle, 0, ref(tensor), memory) == OK and nnrt.OH_NNExecutor_SetOutputWithMemory(handle, 0, out) == OK
    data = ctypes.cast(memory, ctypes.POINTER(Memory)).contents
    ctypes.memmove(data.data, x_before.ctypes.data, data.length)
    assert nnrt.OH_NNExecutor_Run(handle) == OK
    made = ctypes.string_at(ctypes.cast(out, ctypes.POINTER(Memory)).contents.data, 24)
    assert (np.frombuffer(made, np.float32) == x_before + 1).all()
    kept = ctypes.c_void_p(memory)
    nnrt.OH_NNExecutor_DestroyInputMemory(handle, 3, ref(kept))
    assert kept.value == memory, "another index: nothing happens"
    nnrt.OH_NNExecutor_DestroyInputMemory(handle, 0, ref(kept))
    assert kept.value is None and nnrt.OH_NNExecutor_Run(handle) == INVALID, "the input is gone with its memory"
    kept = ctypes.c_void_p(out)
    nnrt.OH_NNExecutor_DestroyOutputMemory(handle, 0, ref(kept))
    assert kept.value is None
