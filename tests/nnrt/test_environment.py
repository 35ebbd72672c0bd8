# SPDX-License-Identifier: Apache-2.0
"""What the environment makes of the reference: devices, strictness, API levels, faults; and caches and open shapes. Each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nnrt_library
import pytest
from checkout import ROOT, Built

Said = Callable[..., Any]
PREFACE = """
import ctypes, json, sys, time
from pathlib import Path
import numpy as np
from nnrt_api import E, Failed, Model, Nnrt, OldTensor, indices
nnrt = Nnrt(Path(sys.argv[1]))
X = np.arange(6, dtype=np.float32).reshape(2, 3)
def add(value=1.0, shape=(2, 3), dtype=np.float32, op='ADD'):
    model = Model(nnrt)
    x, y = model.input(dtype, shape), model.value(dtype, shape, output=True)
    model.operation(op, [x, model.constant(np.full(3, value, dtype))], [y])
    model.finish()
    return model
def code(call):
    try:
        return call() and 0
    except Failed as failed:
        return failed.code if failed.code is not None else 'null ' + failed.name
def out(value):
    print(json.dumps(value, default=float))
"""


@pytest.fixture(scope="module")
def folder(virt: Built) -> Path:
    return nnrt_library.library(virt.build, nnrt_library.gnu(virt.build))


@pytest.fixture
def said(folder: Path) -> Said:
    """Runs Python that ends with out(...), with settings in the environment (KILN_NNRT_ before each), and gives what it said."""
    def run(body: str, *arguments: object, library: Path = folder, **settings: str) -> Any:
        env = {**os.environ, "PYTHONPATH": f"{ROOT / 'site_scons'}:{ROOT / 'tests'}", **{f"KILN_NNRT_{name}": value for name, value in settings.items()}}
        done = subprocess.run([sys.executable, "-c", PREFACE + body, str(library), *map(str, arguments)], capture_output=True, text=True, env=env,
                              timeout=120)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout) if done.stdout else done.stderr

    return run


LIST = """
names = []
for device in nnrt.devices():
    name, kind = ctypes.c_char_p(), ctypes.c_int()
    nnrt.must('OH_NNDevice_GetName', device, ctypes.byref(name)), nnrt.must('OH_NNDevice_GetType', device, ctypes.byref(kind))
    names.append([name.value.decode(), kind.value])
out(names)
"""


@pytest.mark.parametrize("devices,names", [
    ("", [["kiln-reference-cpu_sandbox_v2_1", 1]]), ("none", []), ("accelerator,name=npu_x_v1_0", [["npu_x_v1_0", 3]]),
    ("gpu;accelerator;others", [["kiln-reference-gpu_sandbox_v2_1", 2], ["kiln-reference-accelerator2_sandbox_v2_1", 3], ["kiln-reference-others3_sandbox_v2_1", 0]]),
])
def test_devices_are_as_asked(said: Said, devices: str, names: list[object]) -> None:
    assert said(LIST, DEVICES=devices) == names


def test_a_word_that_is_not_known_is_told(said: Said) -> None:
    assert "KILN_NNRT_DEVICES: acelerator is not known" in said("", DEVICES="acelerator")


def test_without_a_device_models_are_built_and_nothing_else(said: Said) -> None:
    flags = "model = add(); flags, n = ctypes.c_void_p(), ctypes.c_uint32()\n"
    assert said(flags + "out([nnrt.OH_NNModel_GetAvailableOperations(model.handle, 0, ctypes.byref(flags), ctypes.byref(n)), code(model.compile), "
                "nnrt.OH_NNDevice_GetType(0, ctypes.byref(n)), nnrt.OH_NNDevice_GetName(0, ctypes.byref(ctypes.c_char_p()))])", DEVICES="none") == [1, 1, 2, 1]


@pytest.mark.parametrize("words,body,code", [
    ("fp32", "add().compile(float16=True)", 4), ("fp16-only", "add().compile()", 1), ("fp16-only", "add().compile(float16=True)", None),
    ("fp16-only", "add(dtype=np.float16).compile()", None), ("static", "add(shape=(-1, 3)).compile()", 1), ("refuse=ADD", "add().compile()", 1),
    ("refuse=MUL+SUB", "add().compile()", None), ("refuse=all", "add().compile()", 1), ("max=8", "add().compile()", 1),
    ("no-cache", "add().compile(cache=(b'/tmp', 1))", 4), ("fail-run=2", "e = add().compile(); e.run([X]); e.run([X])", 14),
    ("fail-run=1", "e = add().compile(); assert code(lambda: e.run([X])) == 14; e.run([X])", None),
    ("fail-run=1+", "e = add().compile(); assert code(lambda: e.run([X])) == 14; e.run([X])", 14),
    ("die-run=1", "e = add().compile(); assert code(lambda: e.run([X])) == 14; e.run([X])", 14),
    ("die-run=1", "e = add().compile(); assert code(lambda: e.run([X])) == 14; add().compile()", 1),
    ("no-range", "e = add().compile(); nnrt.must('OH_NNExecutor_GetInputDimRange', e.handle, 0, *(ctypes.byref(ctypes.c_void_p()) for _ in range(3)))", 4),
])
def test_a_device_behaves_as_it_was_told(said: Said, words: str, body: str, code: int | None) -> None:
    assert said(f"try:\n    {body}\n    out(None)\nexcept Failed as failed:\n    out(failed.code)", DEVICES=words) == code


def test_a_latency_is_waited_for(said: Said) -> None:
    body = "e = add().compile(); e.run([X]); t = time.time()\nfor _ in range(5): e.run([X])\nout(time.time() - t)"
    assert said(body, DEVICES="cpu,latency=20000") > 0.1 > said(body)


def test_sums_in_half_precision_are_worse(said: Said) -> None:
    body = """
model = Model(nnrt); rng = np.random.default_rng(3)
x, w = rng.standard_normal((4, 2048)).astype(np.float16), rng.standard_normal((64, 2048)).astype(np.float16)
model.operation('MATMUL', [model.input(np.float16, x.shape), model.constant(w)], [model.value(np.float16, [4, 64], output=True)], {'MATMUL_TRANSPOSE_B': np.array(True)})
model.finish()
out(np.abs(model.compile().run([x])[0] - x.astype(float) @ w.T.astype(float)).max())"""
    assert said(body, DEVICES="fp16-sums") > 5 * said(body)


STRICT = [
    ("AddTensorToModel after Finish", "add().tensor(E['FLOAT32'], [1])", 0, 4),
    ("a constant as an input", "m = Model(nnrt); c = m.constant(np.ones(3, np.float32)); m.inputs = [c]; m.outputs = [m.value(np.float32, [3])]\n"
     "    m.operation('NEG', [c], m.outputs); m.finish()", 0, 2),
    ("fp16 at the setter", "nnrt.must('OH_NNCompilation_EnableFloat16', nnrt.must('OH_NNCompilation_Construct', add().handle), True)", 0, 7),
    ("a setter after Build", "c = nnrt.must('OH_NNCompilation_Construct', add().handle); nnrt.must('OH_NNCompilation_Build', c)\n"
     "    nnrt.must('OH_NNCompilation_SetDevice', c, 0)", 0, 4),
    ("a second Build", "c = nnrt.must('OH_NNCompilation_Construct', add().handle); nnrt.must('OH_NNCompilation_Build', c)\n"
     "    nnrt.must('OH_NNCompilation_Build', c)", 2, 4),
    ("extension", "nnrt.must('OH_NNCompilation_AddExtensionConfig', nnrt.must('OH_NNCompilation_Construct', add().handle), b'x', b'y', 1)", 0, 1),
    ("byte size of an open shape", "d = nnrt.must('OH_NNTensorDesc_Create'); nnrt.must('OH_NNTensorDesc_SetDataType', d, 1)\n"
     "    nnrt.must('OH_NNTensorDesc_SetShape', d, (ctypes.c_int32 * 1)(-1), 1)\n"
     "    nnrt.must('OH_NNTensorDesc_GetByteSize', d, ctypes.byref(ctypes.c_size_t()))", 0, 13),
    ("no folder for a cache", "add().compile(cache=(b'/no/such/folder', 1))", 2, 8),
]


@pytest.mark.parametrize("strict", [False, True])
def test_where_header_and_library_differ_the_strict_mode_is_the_stricter(said: Said, strict: bool) -> None:
    body = "".join(f"try:\n    {call}\n    codes.append(0)\nexcept Failed as failed:\n    codes.append(failed.code)\n" for _, call, _, _ in STRICT)
    got = said(f"codes = []\n{body}out(codes)", DEVICES="cpu,fp32", **({"STRICT": "1"} if strict else {}))
    assert dict(zip([row[0] for row in STRICT], got, strict=True)) == {row[0]: row[3 if strict else 2] for row in STRICT}


CACHED = """
folder, version, value, name = sys.argv[2:6]
try:
    executor = add(float(value)).compile(cache=(folder.encode(), int(version)), name=name.encode())
    out(executor.run([X])[0][0, 0])
except Failed as failed:
    out([failed.code])
"""


def test_a_cache_compares_the_version_and_no_weights(said: Said, tmp_path: Path) -> None:
    info, data = tmp_path / "acache_info.nncache", tmp_path / "a0.nncache"
    assert said(CACHED, tmp_path, 5, 1, "a") == 1 and info.is_file() and data.is_file() and json.loads(info.read_text())["version"] == 5
    assert said(CACHED, tmp_path, 5, 2, "a") == 1, "the model is not looked at"
    assert said(CACHED, tmp_path, 5, 2, "b") == 2, "another name"
    assert said(CACHED, tmp_path, 4, 2, "a") == [4], "the cache is newer"
    assert said(CACHED, tmp_path, 6, 3, "a") == 3 and json.loads(info.read_text())["version"] == 6, "the cache is older"
    for damage in (lambda: info.write_text("{"), lambda: data.write_bytes(data.read_bytes()[:-1]), lambda: data.write_bytes(bytes(data.stat().st_size)),
                   data.unlink):
        damage()
        assert said(CACHED, tmp_path, 6, 4, "a") == 4
        assert said(CACHED, tmp_path, 6, 5, "a") == 4
    info.write_text("{")
    assert said(CACHED, tmp_path, 6, 5, "a", STRICT="1") == [6]
    restore = """
c = nnrt.must('OH_NNCompilation_ConstructForCache'); folder = sys.argv[2].encode()
nnrt.must('OH_NNCompilation_SetDevice', c, 0), nnrt.must('OH_NNCompilation_SetCache', c, folder, int(sys.argv[3]))
nnrt.must('OH_NNCompilation_AddExtensionConfig', c, b'ModelName', b'b', 1)
out([nnrt.OH_NNCompilation_Build(c)])"""
    assert said(restore, tmp_path, 5) == [0] and said(restore, tmp_path, 6) == [2]


def test_open_dimensions_are_filled_in_by_each_run(said: Said) -> None:
    assert said("""
e = add(shape=(-1, 3)).compile(); sums = []
for rows in (1, 4, 2):
    x = np.full((rows, 3), rows, np.float32)
    y = e.run([x], [(rows, 3)])[0]
    sums.append([*y.shape, float(y.sum())])
least, most, n = ctypes.POINTER(ctypes.c_size_t)(), ctypes.POINTER(ctypes.c_size_t)(), ctypes.c_size_t()
nnrt.must('OH_NNExecutor_GetInputDimRange', e.handle, 0, ctypes.byref(least), ctypes.byref(most), ctypes.byref(n))
small = code(lambda: e.run([np.ones((5, 3), np.float32)], [(4, 3)]))
out([sums, least[:2], most[:2], small])""") == [[[1, 3, 6.0], [4, 3, 60.0], [2, 3, 18.0]], [1, 3], [65536, 3], 14]


def test_an_older_api_has_fewer_operations(said: Said) -> None:
    assert said("out([code(lambda: add(op='MINIMUM')), code(lambda: Model(nnrt).tensor(1, [1], role='UNSTACK_AXIS'))])", API="11") == [2, 2]


def test_the_one_library_of_api_9(said: Said, virt: Built) -> None:
    old = nnrt_library.library(virt.build, nnrt_library.gnu(virt.build), level=9)
    assert said("""
shape, model, y = (ctypes.c_int32 * 2)(2, 3), nnrt.must('OH_NNModel_Construct'), np.zeros((2, 3), np.float32)
tensor = ctypes.byref(OldTensor(E['FLOAT32'], 2, shape, None, 0))
for _ in range(3):
    nnrt.must('OH_NNModel_AddTensor', model, tensor)
nnrt.must('OH_NNModel_SetTensorData', model, 1, X.ctypes.data, 24)
none, two, one = (ctypes.byref(indices(v)) for v in ([], [0, 1], [2]))
nnrt.must('OH_NNModel_AddOperation', model, E['OPS_ADD'], none, two, one)
nnrt.must('OH_NNModel_SpecifyInputsAndOutputs', model, ctypes.byref(indices([0])), one), nnrt.must('OH_NNModel_Finish', model)
c = nnrt.must('OH_NNCompilation_Construct', model)
nnrt.must('OH_NNCompilation_Build', c)
e = nnrt.must('OH_NNExecutor_Construct', c)
nnrt.must('OH_NNExecutor_SetInput', e, 0, tensor, X.ctypes.data, 24), nnrt.must('OH_NNExecutor_SetOutput', e, 0, y.ctypes.data, 24)
nnrt.must('OH_NNExecutor_Run', e)
out([y.sum(), hasattr(nnrt, 'OH_NNTensor_Create')])""", library=old) == [30, False]


def test_the_nth_call_fails_and_the_report_says_which(said: Said, tmp_path: Path) -> None:
    """Every call of a small model in turn: a code or a null, never a crash, and the name is the one that failed."""
    body = "out(code(lambda: add().compile().run([X])[0].sum() * 0 + 1))"
    report = tmp_path / "report.json"
    assert said(body, REPORT=str(report)) == 0
    whole = json.loads(report.read_text())
    assert whole["runs"] == 1 and whole["compiled"] == 1 and whole["compiled_bytes"] == 12 and whole["functions"]["OH_NNExecutor_RunSync"] == 1
    assert sum(whole["functions"].values()) == whole["calls"] > 30
    for n in range(1, whole["calls"] + 1, 4):
        got = said(body, FAIL_CALL=f"{n}:3", REPORT=str(report))
        failed = json.loads(report.read_text())["failed"]
        assert got in (3, f"null {failed}") or (got == 0 and failed.endswith("Destroy")), (n, got, failed)


def test_threads_and_a_thousand_runs(said: Said) -> None:
    """Four threads, each with its own model, and two executors of one compilation; resident memory stays."""
    assert said("""
import threading
def work(seed, wrong):
    rng = np.random.default_rng(seed)
    w, x = rng.standard_normal((300, 200)).astype(np.float32), rng.standard_normal((5, 200)).astype(np.float32)
    model = Model(nnrt)
    model.operation('MATMUL', [model.input(np.float32, x.shape), model.constant(w)], [model.value(np.float32, [5, 300], output=True)],
                    {'MATMUL_TRANSPOSE_B': np.array(True)})
    model.finish()
    e = model.compile()
    right = e.run([x])[0]
    if np.abs(right - x @ w.T).max() > 1e-3:
        wrong.append(seed)
    for _ in range(1000):
        if not np.array_equal(e.run([x])[0], right):
            wrong.append(seed)
    e.destroy()
def resident():
    return int(Path('/proc/self/statm').read_text().split()[1]) * 4
def once():
    wrong = []
    threads = [threading.Thread(target=work, args=(i, wrong)) for i in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    return wrong
once(); before = resident(); wrong = once() + once()
out([wrong, resident() - before < 2048])""") == [[], True]
