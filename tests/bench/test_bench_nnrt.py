# SPDX-License-Identifier: Apache-2.0
"""How fast the reference NNRt multiplies, against three loops by the same compiler: GFLOP/s in fp32 and fp16, for a prompt and for one token."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from pathlib import Path

import nnrt_library
import numpy as np
import pytest
from checkout import ROOT, Built
from nnrt_api import Executor, Model, Nnrt

pytestmark = pytest.mark.long
DEPTH, COLUMNS = 2048, 5632


def best(call: Callable[[], object], turns: int) -> float:
    """Seconds of the fastest of some turns: the others had company."""
    call()
    spent = []
    for _ in range(turns):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return min(spent)


def product(nnrt: Nnrt, dtype: type, rows: int, weight: np.ndarray) -> Executor:
    model = Model(nnrt)
    x, w, y = model.input(dtype, [rows, DEPTH]), model.constant(weight.astype(dtype)), model.value(dtype, [rows, COLUMNS], output=True)
    model.operation("MATMUL", [x, w], [y], {"MATMUL_TRANSPOSE_B": np.array(True)})
    model.finish()
    return model.compile(nnrt.devices()[0])


def test_the_blocked_product_against_three_loops(virt: Built, nnrt: Nnrt, tmp_path: Path) -> None:
    nnrt_library.gnu(virt.build).run("-O2", "-x", "c", "-shared", "-fPIC", ROOT / "tests/data/nnrt/naive.c", "-o", tmp_path / "naive.so")
    naive = ctypes.CDLL(str(tmp_path / "naive.so")).naive
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((COLUMNS, DEPTH)).astype(np.float32)
    for count in (64, 1):
        x, y = rng.standard_normal((count, DEPTH)).astype(np.float32), np.zeros((count, COLUMNS), np.float32)
        work = 2e-9 * count * DEPTH * COLUMNS
        loops = best(lambda: naive(*(array.ctypes.data_as(ctypes.c_void_p) for array in (x, weight, y)), count, DEPTH, COLUMNS), 3)
        taken = {}
        for dtype in (np.float32, np.float16):
            executor = product(nnrt, dtype, count, weight)
            taken[dtype] = best(lambda: executor.run([x.astype(dtype)]), 8)
            error = np.abs(executor.run([x.astype(dtype)])[0] - y).max() / np.abs(y).max()
            assert error < (1e-5 if dtype == np.float32 else 3e-3)
            executor.destroy()
        print(f"\n{count} x {DEPTH} x {COLUMNS}: three loops {work / loops:.2f} GFLOP/s, fp32 {work / taken[np.float32]:.1f} ({loops / taken[np.float32]:.1f} times), "
              f"fp16 {work / taken[np.float16]:.1f} ({loops / taken[np.float16]:.1f} times); {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
