# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's own test of operations, all of them, on the delegate's device: which cases it took, and that each was right."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from native.stock import Stock, lines

COLOR = re.compile(r"\x1b\[[0-9;]*m")
CASE = re.compile(r"^\s+(\w+)\(.*\): (OK|not supported .*)$")


def ran(said: str) -> tuple[Counter[str], Counter[str]]:
    """Cases of each operation that were right, and that the device did not take. Any other line of a case is a failure."""
    right, left = Counter[str](), Counter[str]()
    for line in COLOR.sub("", said).splitlines():
        if found := CASE.match(line):
            (right if found[2] == "OK" else left)[found[1]] += 1
        assert "FAIL" not in line and "ERR = " not in line, line
    return right, left


@pytest.mark.ci
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_products_of_many_types_and_shapes_are_right(stock: Stock, precision: str) -> None:
    only = r"type_a=(f32|f16|bf16|q4_0|q8_0|q4_K),type_b=f32,m=16,n=(1|8|9),k=256,bs=\[1,1\]"
    done = stock.delegated("test-backend-ops", "test", "-b", "NNRT0", "-o", "MUL_MAT", "-p", only,
                           env={"GGML_NNRT_PRECISION": precision, "GGML_NNRT_MIN_BATCH": "1"})
    products = [row for row in lines(done.stderr, "nnrt-product") if row["by"] == "nnrt"]
    assert len(products) >= 15 and {row["type"] for row in products} == {"f32", "f16", "bf16", "q4_0", "q8_0", "q4_K"}, done.stdout[-2000:]
    assert ran(done.stdout)[0] == {"MUL_MAT": len(products)}


@pytest.mark.long
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_no_operation_fails(stock: Stock, precision: str) -> None:
    done = stock.delegated("test-backend-ops", "test", "-b", "NNRT0", env={"GGML_NNRT_PRECISION": precision, "GGML_NNRT_MIN_BATCH": "1"},
                           timeout=1800)
    right, left = ran(done.stdout)
    products = lines(done.stderr, "nnrt-product")
    assert {row["by"] for row in products} == {"nnrt"} and len(products) == sum(right.values()) > 400
    assert set(right) == {"MUL_MAT", "MUL_MAT_W4A4", "MUL_MAT_W4A8"} and len(left) > 100
    print(f"\n{precision}: {sum(right.values())} right ({', '.join(f'{op} {count}' for op, count in sorted(right.items()))}), "
          f"{sum(left.values())} cases of {len(left)} operations not taken; "
          + ", ".join(f"{kind} {count}" for kind, count in sorted(Counter(row["type"] for row in products).items())))
