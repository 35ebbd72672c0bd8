# SPDX-License-Identifier: Apache-2.0
"""Quantize: a GGUF and a recipe into the model file of the product, the same bytes whatever the machine's threads."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kiln import results, run, stamp
from kiln.errors import ModelError
from kiln.model import found, gguf, imatrix, recipes, stock
from kiln.model.found import Found
from kiln.model.stock import Recipe

_NO_COPY = (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)


@dataclass(frozen=True)
class Measured:
    """A recipe that was found for this model, and the importance matrix that it was found with."""

    found: Found
    matrix: Path


def quantize(source: Path, recipe: str, tool: Path, into: Path, *, log: Path, key: str, context: int,
             measured: Measured | None = None, line: Callable[[str], None] | None = None) -> results.Gguf:
    """Make the file `into` from `source` with llama-quantize (`tool`) and save the result beside it.

    `into` is the whole new file or what it was before. `line` gets each line of the tool. Raises ModelError if the
    source is no whole GGUF, cannot be quantized, or came out as something else than the recipe says.
    """
    chosen = measured.found.applied(recipes.load(recipe).about) if measured else recipes.load(recipe)
    before = gguf.header(source)
    stock.takes(before, chosen)
    work = into.parent / f".{into.name}.work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        _make(source, chosen, tool, work, log, line, measured)
        after = _verified(before, gguf.header(work / "model.gguf"), chosen, measured)
        (work / "model.gguf").replace(into)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    made = results.Gguf(into, stamp.digest(into), after.size, recipe, before.name or source.stem, before.licence, context, key)
    results.save(made, into.parent)
    return made


def _make(source: Path, chosen: Recipe, tool: Path, work: Path, log: Path,
          line: Callable[[str], None] | None, measured: Measured | None) -> None:
    """The new file as work/model.gguf. The names that the tool sees are always these two: a GGUF may quote them."""
    if not chosen.tool:
        _copy(source, work / "model.gguf")
        return
    (work / "source.gguf").symlink_to(source.resolve())
    options: list[str] = []
    if measured:
        (work / imatrix.NAME).symlink_to(measured.matrix.resolve())
        stamp.write(work / "types.txt", found.patterns(measured.found))
        options = ["--imatrix", imatrix.NAME, "--tensor-type-file", "types.txt"]
        options += ["--prune-layers", ",".join(map(str, measured.found.dropped))] if measured.found.dropped else []
    threads = str(len(os.sched_getaffinity(0)))
    run.run([tool.resolve(), *options, "source.gguf", "model.gguf", chosen.tool, threads], cwd=work, log=log, line=line)


def _copy(source: Path, into: Path) -> None:
    """A copy that shares its blocks where the file system can. No hard link: it would have the source's mtime, and
    SCons (content-timestamp) takes another file with an equal mtime for the same."""
    with source.open("rb") as read, into.open("wb") as write:
        left = os.fstat(read.fileno()).st_size
        try:
            while left > 0 and (sent := os.copy_file_range(read.fileno(), write.fileno(), left)) > 0:
                left -= sent
        except OSError as error:
            if error.errno not in _NO_COPY:
                raise
            read.seek(0)
            write.seek(0)
            shutil.copyfileobj(read, write, 1 << 20)


def _verified(before: gguf.Header, after: gguf.Header, chosen: Recipe, measured: Measured | None) -> gguf.Header:
    """The same model by another recipe: every tensor is there in its shape, and the file says the recipe's type."""
    wanted = _shapes(found.renamed(before, measured.found.dropped if measured else ()))
    given = _shapes({tensor.name: tensor for tensor in after.tensors})
    if wanted != given:
        lost = sorted(set(wanted) ^ set(given))
        raise ModelError(f"the quantized model has other tensors than its source: {', '.join(lost[:3]) or 'other shapes'}")
    said = after.metadata.get("general.file_type")
    if chosen.tool and said != chosen.file_type:
        raise ModelError(f"the quantized model says file type {said!r}, {chosen.tool} is {chosen.file_type}")
    types = {tensor.name: tensor.type for tensor in after.tensors}
    other = [name for name, kind in (measured.found.types if measured else {}).items() if types.get(name) != kind]
    if other:
        raise ModelError(f"the quantized model has {other[0]} as {types.get(other[0])}, not as the recipe says")
    return after


def _shapes(tensors: Mapping[str, gguf.Tensor]) -> dict[str, tuple[int, ...]]:
    """Shapes without the dimensions of 1 at their ends, which llama-quantize drops."""
    return {name: _trimmed(tensor.shape) for name, tensor in tensors.items()}


def _trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape
