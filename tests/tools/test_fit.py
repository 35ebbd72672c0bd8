# SPDX-License-Identifier: Apache-2.0
"""The verb fit, and a model that is still at its address: judged by its first megabytes, refused before the rest is fetched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from checkout import copied, scons
from fetch import faulty
from model.made import Shape, write

WIDE = Shape(layers=6, width=2048, heads=32, heads_kv=8, ff=8192, vocab=32000, context=8192, tied=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy with one product more: `small`, a board of 512 MiB whose model is a pin."""
    root = copied(tmp_path / "kiln")
    text = (root / "products/rk3568.yaml").read_text().replace("ram: 2GiB", "ram: 512MiB").replace("keeps: 1GiB ", "keeps: 128MiB ")
    (root / "products/small.yaml").write_text(text.replace("pin: qwen3-0.6b, recipe: as_is, context: 2048, kv: q8_0", "pin: wide, recipe: q8_0"))
    return root


def pinned(root: Path, server: faulty.Faulty, model: Path) -> None:
    body = model.read_bytes()
    server.files["/wide.gguf"] = body
    (root / "vendor/wide.yaml").write_text(f"kind: https\nversion: '1'\nfile: wide.gguf\nurl: {server.url('/wide.gguf')}\n"
                                           f"sha256: {hashlib.sha256(body).hexdigest()}\nsize: 0\nlicence: MIT\n")


def test_a_pin_is_judged_by_its_first_megabytes(checkout: Path, tmp_path: Path) -> None:
    model = write(tmp_path / "wide.gguf", WIDE, sparse=True, name="Wide One")
    cache = f"cache={tmp_path / 'cache'}"
    with faulty.serving() as server:
        pinned(checkout, server, model)
        done = scons("product=small", cache, cwd=checkout)
        assert done.returncode == 2 and "the model as q8_0 needs" in done.stdout + done.stderr
        assert "recipes that fit: " in done.stderr + done.stdout and "Traceback" not in done.stderr
        assert server.sent < 9 << 20 < model.stat().st_size
        told = scons("product=small", "fit", cache, cwd=checkout)
        assert told.returncode == 2 and "Wide One (llama, 6 layers, 2048 wide" in told.stdout and "* q8_0" in told.stdout, told.stdout + told.stderr
        assert server.sent < 9 << 20, "the header was here already"
    budget = json.loads((checkout / "build/small/budget.json").read_text())
    assert not budget["fits"] and budget["free"] < 0 and budget["ram"] == 512 << 20 and budget["system"] == 128 << 20
    assert budget["needed"] + budget["free"] == budget["ram"]


def test_fit_says_what_the_build_would(checkout: Path, tmp_path: Path) -> None:
    model = write(tmp_path / "wide.gguf", WIDE, sparse=True)
    text = (checkout / "products/small.yaml").read_text()
    (checkout / "products/small.yaml").write_text(text.replace("recipe: q8_0", "recipe: q4_0"))
    done = scons("product=small", "fit", f"model={model}", cwd=checkout)
    assert done.returncode == 0 and "\nfits: " in done.stdout, done.stdout + done.stderr
    said = json.loads((checkout / "build/small/budget.json").read_text())
    assert said["fits"] and said["tokens_s"] > 1 and f"fits: {said['context']} tokens in {said['kv_type']}, 1 at once" in done.stdout


def test_nobody_there_and_offline_are_one_line(checkout: Path, tmp_path: Path) -> None:
    with faulty.serving() as server:
        pinned(checkout, server, write(tmp_path / "x.gguf", WIDE, sparse=True))
    cache = f"cache={tmp_path / 'cache'}"
    done = scons("product=small", "fit", cache, cwd=checkout)
    assert done.returncode == 2 and "wide: cannot connect; check the connection" in done.stderr + done.stdout
    done = scons("product=small", "fit", "offline=1", cache, cwd=checkout)
    assert done.returncode == 2 and "the model wide is not in the cache, and offline=1 forbids" in done.stderr + done.stdout


@pytest.mark.parametrize("text,says", [
    (b"<html>sign in</html>" + bytes(64), "begins with b'<htm', not with 'GGUF'"),
    (b"GGUF\x03\0\0\0" + b"\xff" * 200, "the number of tensors is 18446744073709551615"),
])
def test_what_is_no_model_is_told_by_its_name(checkout: Path, tmp_path: Path, text: bytes, says: str) -> None:
    (tmp_path / "x.gguf").write_bytes(text)
    with faulty.serving() as server:
        pinned(checkout, server, tmp_path / "x.gguf")
        done = scons("product=small", "fit", f"cache={tmp_path / 'cache'}", cwd=checkout)
    assert done.returncode == 2 and f"kiln: wide (wide.gguf): {says}" in done.stderr + done.stdout, done.stderr + done.stdout
