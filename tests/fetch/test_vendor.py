# SPDX-License-Identifier: Apache-2.0
"""Every pin of vendor/, truly fetched from its registry into an empty cache and unpacked."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiln import fetch, pin, stamp

HOLDS = {"ziglang": "ziglang/zig", "llama.cpp": "ggml/src/ggml.c", "linux-arm64": "boot", "musl-arm64": "lib/ld-musl-aarch64.so.1"}


@pytest.mark.ci
@pytest.mark.parametrize("name", pin.names())
def test_a_pin_comes_from_its_registry(name: str, tmp_path: Path) -> None:
    wanted = pin.load(name)
    fetched = fetch.get(wanted, tmp_path / "cache")
    assert fetched.input.pinned or wanted.accept == "signed"
    assert stamp.digest(fetched.path) == fetched.input.sha256
    root = fetch.unpack(fetched.path, tmp_path / "tree", file=wanted.file, subdir=wanted.subdir)
    assert name not in HOLDS or (root / HOLDS[name]).exists()
    assert fetch.get(wanted, tmp_path / "cache", offline=True) == fetched
