# SPDX-License-Identifier: Apache-2.0
"""Quantize: the file is whole or as it was, names no path, and does not depend on threads; predictions are exact."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from model.made import Shape, write

from kiln import results, share
from kiln.errors import KilnError, ModelError, ProgramError
from kiln.model import gguf, quantize, recipes, stock
from kiln.model.gguf import Header
from kiln.results import Gguf

SHAPES = {
    "tiny": Shape(),
    "tied": Shape(layers=13, width=320, heads=5, heads_kv=1, ff=896, tied=True, biases=True, arch="qwen2"),
    "deep": Shape(layers=26, width=256, heads=8, heads_kv=1, ff=512),
    "full": Shape(layers=9, heads_kv=1, type="F32"),
    "odd": Shape(layers=3, width=96, heads_kv=4, ff=176),
}
NARROW = share.root() / "tests/data/narrow-f16.gguf"
STOCK = tuple(name for name, recipe in recipes.every().items() if recipe.tool)


def make(source: Path, recipe: str, tool: Path, into: Path) -> Gguf:
    return quantize.quantize(source, recipe, tool, into, log=into.parent / "log", key="k", context=512)


def program(file: Path, text: str) -> Path:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


@pytest.mark.fast
def test_as_is_is_a_copy_with_a_time_of_its_own(tiny: Path, tmp_path: Path) -> None:
    os.utime(tiny, (1, 1))
    made = make(tiny, "as_is", Path("/no/tool"), tmp_path / "model" / "model.gguf")
    assert made.file.read_bytes() == tiny.read_bytes()
    assert made.file.stat().st_ino != tiny.stat().st_ino and made.file.stat().st_mtime > 1
    assert results.load(Gguf, made.file.parent / results.NAME) == made
    assert sorted(file.name for file in made.file.parent.iterdir()) == ["model.gguf", "result.json"]


@pytest.mark.fast
@pytest.mark.parametrize("script,error", [
    ("echo 'main: failed to quantize model: no space'; exit 1", ProgramError),
    ("exit 0", ModelError),
    ("head -c 4000 source.gguf > model.gguf", ModelError),
    ("cp source.gguf model.gguf", ModelError),
])
def test_a_tool_that_fails_leaves_the_old_file(script: str, error: type[KilnError], tiny: Path, tmp_path: Path) -> None:
    old = tmp_path / "model.gguf"
    old.write_text("old")
    with pytest.raises(error):
        make(tiny, "q4_0", program(tmp_path / "tool", script), old)
    assert old.read_text() == "old" and not (tmp_path / ".model.gguf.work").exists()


@pytest.mark.fast
def test_what_a_killed_run_left_is_swept(tiny: Path, tmp_path: Path) -> None:
    left = tmp_path / ".model.gguf.work"
    left.mkdir()
    (left / "model.gguf").write_text("half")
    make(tiny, "as_is", Path(), tmp_path / "model.gguf")
    assert not left.exists()


@pytest.mark.fast
def test_a_quantized_source_is_refused_before_the_tool_runs(tmp_path: Path) -> None:
    source = _quantized_header(tmp_path)
    with pytest.raises(ModelError, match=r"quantized already \(Q8_0\); take recipe: as_is"):
        make(source, "q4_0", program(tmp_path / "tool", "touch ran"), tmp_path / "model.gguf")
    assert not list(tmp_path.rglob("ran"))


def _quantized_header(folder: Path) -> Path:
    import gguf as package

    writer = package.GGUFWriter(folder / "q.gguf", "llama")
    writer.add_tensor("a.weight", package.quantize(__import__("numpy").zeros((2, 32), "float32"), package.GGMLQuantizationType.Q8_0),
                      raw_dtype=package.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / "q.gguf"


@pytest.mark.fast
def test_bounds_are_never_below_the_exact_prediction(tmp_path: Path) -> None:
    for name, shape in SHAPES.items():
        header = gguf.header(write(tmp_path / f"{name}.gguf", shape, sparse=True))
        for recipe in STOCK:
            exact = stock.predict(header, recipes.load(recipe))
            bound = dict(stock._bound(header, recipes.load(recipe)))
            assert exact.exact
            for tensor in header.tensors:
                assert stock.ggml.size(bound[tensor.name], tensor.shape) >= stock.ggml.size(exact.types[tensor.name], tensor.shape)


@pytest.mark.ci
@pytest.mark.parametrize("name", SHAPES)
def test_the_file_is_predicted_to_the_byte(name: str, tool: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "source.gguf", SHAPES[name])
    for recipe in STOCK:
        predicted = stock.predict(gguf.header(source), recipes.load(recipe))
        made = make(source, recipe, tool, tmp_path / recipe / "model.gguf")
        after = gguf.header(made.file)
        assert {tensor.name: tensor.type for tensor in after.tensors} == predicted.types, recipe
        assert (made.size, predicted.exact) == (predicted.size, True), recipe


@pytest.mark.ci
@pytest.mark.parametrize("name", ["narrow", "deep", "tied"])
def test_the_file_is_predicted_to_the_byte_with_an_importance_matrix_too(name: str, tool: Path, tmp_path: Path) -> None:
    """`narrow` is a trained qwen2 with rows of 160 and 288; `deep` has the layers where Q4_0 with a matrix gives Q4_1."""
    source = NARROW if name == "narrow" else write(tmp_path / "made.gguf", SHAPES[name])
    header = gguf.header(source)
    (tmp_path / "source.gguf").symlink_to(source)
    matrix(tmp_path / "imatrix.gguf", header)
    fell = set()
    for recipe in STOCK:
        for options, names in (((), None), (("--imatrix", "imatrix.gguf"), ("imatrix.gguf", "made.txt"))):
            out = tmp_path / "out.gguf"
            subprocess.run([tool, *options, "source.gguf", out.name, recipes.load(recipe).tool, "1"], cwd=tmp_path, check=True, capture_output=True)
            after, predicted = gguf.header(out), stock.predict(header, recipes.load(recipe), names)
            types = {tensor.name: tensor.type for tensor in after.tensors}
            assert types == predicted.types, (recipe, options)
            assert (after.size, predicted.exact) == (predicted.size, True), (recipe, options)
            if options:
                fell.add((types["blk.0.ffn_down.weight"], recipe))
    if name == "narrow":
        assert fell >= {("Q4_0", "q2_k"), ("Q4_0", "q3_k_s"), ("Q5_0", "q4_k_m"), ("Q5_1", "q5_k_m"), ("Q8_0", "q6_k")}, fell
    if name == "deep":
        assert ("Q4_1", "q4_0") in fell


def matrix(into: Path, header: Header) -> None:
    """An importance matrix that says the same of every column, as llama-imatrix writes them."""
    import gguf as package
    import numpy

    writer = package.GGUFWriter(into, "")
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["made.txt"])
    writer.add_uint32("imatrix.chunk_count", 1)
    writer.add_uint32("imatrix.chunk_size", 256)
    for tensor in header.tensors:
        if len(tensor.shape) == 2:
            writer.add_tensor(f"{tensor.name}.in_sum2", numpy.ones((1, tensor.shape[0]), numpy.float32))
            writer.add_tensor(f"{tensor.name}.counts", numpy.ones((1, 1), numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.ci
@pytest.mark.parametrize("shape", [
    Shape(32, 4096, 32, 8, 14336, 2000, 8192), Shape(16, 2048, 32, 8, 8192, 2000, 4096, tied=True),
    Shape(24, 896, 14, 2, 4864, 2000, 4096, tied=True, biases=True, arch="qwen2"), Shape(30, 576, 9, 3, 1536, 2000, 2048, tied=True),
], ids=["8B", "1B", "0.5B", "135M"])
def test_types_of_the_usual_shapes_agree_with_a_dry_run(shape: Shape, tool: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "source.gguf", shape, sparse=True)
    header = gguf.header(source)
    for recipe in STOCK:
        done = subprocess.run([tool, "--dry-run", source, recipes.load(recipe).tool], text=True, capture_output=True, check=True)
        said = re.search(r"quant size\s+=\s+([0-9.]+) MiB", done.stdout + done.stderr)
        types = stock.predict(header, recipes.load(recipe)).types
        ours = sum(stock.ggml.size(types[tensor.name], tensor.shape) for tensor in header.tensors)
        assert said and abs(float(said[1]) - ours / (1 << 20)) < 0.006, recipe


@pytest.mark.ci
@pytest.mark.parametrize("recipe", ["q4_0", "q4_k_m", "q2_k"])
def test_same_bytes_for_one_and_two_threads_in_any_folder(recipe: str, tool: Path, tiny: Path, tmp_path: Path) -> None:
    cores = os.sched_getaffinity(0)
    many = make(tiny, recipe, tool, tmp_path / "a" / "model.gguf")
    try:
        os.sched_setaffinity(0, {min(cores)})
        one = make(tiny, recipe, tool, tmp_path / "another folder" / "x.gguf")
    finally:
        os.sched_setaffinity(0, cores)
    assert one.sha256 == many.sha256
    assert str(tmp_path).encode() not in one.file.read_bytes()
