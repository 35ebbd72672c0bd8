# SPDX-License-Identifier: Apache-2.0
"""The NNRt C API out of a library, for Python: every function typed by the table in tests/data, and models made of numpy arrays."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kiln import share

API: dict[str, Any] = json.loads((share.root() / "tests/data/nnrt-api.json").read_text())
E: dict[str, int] = {name.removeprefix("OH_NN_"): number for enum in API["enums"].values() for name, number in enum["values"].items()}
TYPES = {np.dtype(name): E[name.upper() if name != "bool" else "BOOL"] for name in
         ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")}
DTYPES = {number: dtype for dtype, number in TYPES.items()}
_PLAIN = {"void": None, "bool": ctypes.c_bool, "size_t": ctypes.c_size_t, "int": ctypes.c_int, "int32_t": ctypes.c_int32,
          "uint32_t": ctypes.c_uint32, "char *": ctypes.c_char_p}


class UInt32Array(ctypes.Structure):
    _fields_ = [("data", ctypes.POINTER(ctypes.c_uint32)), ("size", ctypes.c_uint32)]


class OldQuant(ctypes.Structure):
    _fields_ = [("count", ctypes.c_uint32), ("bits", ctypes.POINTER(ctypes.c_uint32)), ("scales", ctypes.POINTER(ctypes.c_double)),
                ("zeros", ctypes.POINTER(ctypes.c_int32))]


class OldTensor(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("count", ctypes.c_uint32), ("dims", ctypes.POINTER(ctypes.c_int32)),
                ("quant", ctypes.POINTER(OldQuant)), ("role", ctypes.c_int)]


class Memory(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def _ctype(text: str) -> Any:
    text = text.replace("const ", "").strip()
    if text in _PLAIN:
        return _PLAIN[text]
    return ctypes.c_int if text in API["enums"] else ctypes.c_void_p


class Failed(Exception):
    """A function gave another code than 0, or null."""

    def __init__(self, name: str, code: object) -> None:
        super().__init__(f"{name}: {code}")
        self.name, self.code = name, code


class Nnrt:
    """The library in `folder`. `nnrt.OH_NNModel_Construct()` and so on: as in C, by the table; what is not exported is absent."""

    def __init__(self, folder: Path) -> None:
        names = ("libneural_network_core.so", "libneural_network_runtime.so", "libneural_network_runtime.z.so")
        self.libraries = [ctypes.CDLL(str(folder / name)) for name in names if (folder / name).is_file()]
        for name, row in API["functions"].items():
            for library in reversed(self.libraries):
                if hasattr(library, name):
                    function = getattr(library, name)
                    function.restype = _ctype(row["returns"])
                    function.argtypes = [_ctype(kind) for kind, _ in row["params"]]
                    setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def must(self, name: str, *arguments: Any) -> Any:
        """Call, and raise Failed for any code but 0 and for null."""
        gave = getattr(self, name)(*arguments)
        wrong = gave != 0 if API["functions"][name]["returns"] == "OH_NN_ReturnCode" else gave is None
        if wrong and API["functions"][name]["returns"] != "void":
            raise Failed(name, gave)
        return gave

    def destroy(self, name: str, handle: Any) -> Any:
        """Call a Destroy function with the address of a handle."""
        return getattr(self, name)(ctypes.byref(ctypes.c_void_p(handle)))

    def devices(self) -> list[int]:
        """The ids of all devices."""
        ids, count = ctypes.c_void_p(), ctypes.c_uint32()
        self.must("OH_NNDevice_GetAllDevicesID", ctypes.byref(ids), ctypes.byref(count))
        return list(ctypes.cast(ids, ctypes.POINTER(ctypes.c_size_t))[:count.value]) if count.value else []


def indices(values: Sequence[int]) -> UInt32Array:
    """An OH_NN_UInt32Array."""
    return UInt32Array((ctypes.c_uint32 * len(values))(*values), len(values))


@dataclass
class Model:
    """A model that is being built; tensors are known by the index that adding them gave."""

    nnrt: Nnrt
    handle: int = 0
    count: int = 0
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.handle = self.nnrt.must("OH_NNModel_Construct")

    def tensor(self, kind: int, dims: Sequence[int], data: np.ndarray | None = None, role: str = "TENSOR",
               quant: tuple[Sequence[float], Sequence[int]] | None = None) -> int:
        """Add a tensor, with its data if it is a constant."""
        must, index = self.nnrt.must, self.count
        desc = must("OH_NNTensorDesc_Create")
        must("OH_NNTensorDesc_SetDataType", desc, kind)
        if dims:
            must("OH_NNTensorDesc_SetShape", desc, (ctypes.c_int32 * len(dims))(*dims), len(dims))
        must("OH_NNModel_AddTensorToModel", self.handle, desc)
        self.nnrt.destroy("OH_NNTensorDesc_Destroy", desc)
        self.count += 1
        if role != "TENSOR":
            must("OH_NNModel_SetTensorType", self.handle, index, E[role])
        if quant is not None:
            self._quant(index, *quant)
        if data is not None:
            data = np.ascontiguousarray(data)
            must("OH_NNModel_SetTensorData", self.handle, index, data.ctypes.data, data.nbytes)
        return index

    def _quant(self, index: int, scales: Sequence[float], zeros: Sequence[int]) -> None:
        must, n = self.nnrt.must, len(scales)
        params = must("OH_NNQuantParam_Create")
        must("OH_NNQuantParam_SetScales", params, (ctypes.c_double * n)(*scales), n)
        must("OH_NNQuantParam_SetZeroPoints", params, (ctypes.c_int32 * n)(*zeros), n)
        must("OH_NNQuantParam_SetNumBits", params, (ctypes.c_uint32 * n)(*[8] * n), n)
        must("OH_NNModel_SetTensorQuantParams", self.handle, index, params)
        self.nnrt.destroy("OH_NNQuantParam_Destroy", params)

    def constant(self, data: np.ndarray, role: str = "TENSOR", **more: Any) -> int:
        return self.tensor(TYPES[data.dtype], data.shape, data, role, **more)

    def input(self, dtype: Any, dims: Sequence[int]) -> int:
        self.inputs.append(self.tensor(TYPES[np.dtype(dtype)], dims))
        return self.inputs[-1]

    def value(self, dtype: Any, dims: Sequence[int], *, output: bool = False, **more: Any) -> int:
        index = self.tensor(TYPES[np.dtype(dtype)], dims, **more)
        if output:
            self.outputs.append(index)
        return index

    def operation(self, name: str, inputs: Sequence[int], outputs: Sequence[int], params: Mapping[str, np.ndarray] | None = None) -> None:
        """Add an operation; `params` are parameters by the name of their kind."""
        given = [self.constant(np.asarray(data), role) for role, data in (params or {}).items()]
        self.nnrt.must("OH_NNModel_AddOperation", self.handle, E[f"OPS_{name}"], ctypes.byref(indices(given)),
                       ctypes.byref(indices(inputs)), ctypes.byref(indices(outputs)))

    def finish(self) -> None:
        self.nnrt.must("OH_NNModel_SpecifyInputsAndOutputs", self.handle, ctypes.byref(indices(self.inputs)), ctypes.byref(indices(self.outputs)))
        self.nnrt.must("OH_NNModel_Finish", self.handle)

    def compile(self, device: int = 0, *, float16: bool = False, cache: tuple[bytes, int] | None = None, name: bytes = b"") -> Executor:
        """Build it for a device, and give an executor; model and compilation are gone then."""
        must = self.nnrt.must
        compilation = must("OH_NNCompilation_Construct", self.handle)
        try:
            must("OH_NNCompilation_SetDevice", compilation, device)
            if float16:
                must("OH_NNCompilation_EnableFloat16", compilation, True)
            if name:
                must("OH_NNCompilation_AddExtensionConfig", compilation, b"ModelName", name, len(name))
            if cache:
                must("OH_NNCompilation_SetCache", compilation, *cache)
            must("OH_NNCompilation_Build", compilation)
            return Executor(self.nnrt, must("OH_NNExecutor_Construct", compilation), device)
        finally:
            self.nnrt.destroy("OH_NNCompilation_Destroy", compilation)
            self.destroy()

    def destroy(self) -> None:
        self.nnrt.destroy("OH_NNModel_Destroy", self.handle)


@dataclass
class Executor:
    """An executor by the calls of API 11: tensors from its own descriptions, made once for each shape."""

    nnrt: Nnrt
    handle: int
    device: int
    kept: dict[object, list[int]] = field(default_factory=dict)

    def run(self, inputs: Iterable[np.ndarray], shapes: Sequence[Sequence[int]] = ()) -> list[np.ndarray]:
        """One run. `shapes` are those of the outputs where the model leaves them open."""
        arrays = [np.ascontiguousarray(array) for array in inputs]
        must = self.nnrt.must
        ins = self._tensors("Input", [array.shape for array in arrays])
        outs = self._tensors("Output", shapes)
        for tensor, array in zip(ins, arrays, strict=True):
            ctypes.memmove(must("OH_NNTensor_GetDataBuffer", tensor), array.ctypes.data, array.nbytes)
        must("OH_NNExecutor_RunSync", self.handle, (ctypes.c_void_p * len(ins))(*ins), len(ins), (ctypes.c_void_p * len(outs))(*outs), len(outs))
        return [self._array(tensor) for tensor in outs]

    def _tensors(self, which: str, shapes: Sequence[Sequence[int]]) -> list[int]:
        key = which, tuple(map(tuple, shapes))
        if key not in self.kept:
            count = ctypes.c_size_t()
            self.nnrt.must(f"OH_NNExecutor_Get{which}Count", self.handle, ctypes.byref(count))
            self.kept[key] = [self._made(which, i, shapes[i] if i < len(shapes) else ()) for i in range(count.value)]
        return self.kept[key]

    def _made(self, which: str, index: int, shape: Sequence[int]) -> int:
        must = self.nnrt.must
        desc = must(f"OH_NNExecutor_Create{which}TensorDesc", self.handle, index)
        if shape:
            must("OH_NNTensorDesc_SetShape", desc, (ctypes.c_int32 * len(shape))(*shape), len(shape))
        tensor: int = must("OH_NNTensor_Create", self.device, desc)
        self.nnrt.destroy("OH_NNTensorDesc_Destroy", desc)
        return tensor

    def _array(self, tensor: int) -> np.ndarray:
        must, desc = self.nnrt.must, self.nnrt.must("OH_NNTensor_GetTensorDesc", tensor)
        kind, dims, count, size = ctypes.c_int(), ctypes.POINTER(ctypes.c_int32)(), ctypes.c_size_t(), ctypes.c_size_t()
        must("OH_NNTensorDesc_GetDataType", desc, ctypes.byref(kind))
        must("OH_NNTensorDesc_GetShape", desc, ctypes.byref(dims), ctypes.byref(count))
        must("OH_NNTensorDesc_GetByteSize", desc, ctypes.byref(size))
        data = ctypes.string_at(must("OH_NNTensor_GetDataBuffer", tensor), size.value)
        return np.frombuffer(data, DTYPES[kind.value]).reshape(dims[:count.value])

    def destroy(self) -> None:
        for tensors in self.kept.values():
            for tensor in tensors:
                self.nnrt.destroy("OH_NNTensor_Destroy", tensor)
        self.kept.clear()
        self.nnrt.destroy("OH_NNExecutor_Destroy", self.handle)
