# SPDX-License-Identifier: Apache-2.0
"""Importance: how strongly each column of each matrix is driven by real text, measured by llama-imatrix.

The file is a GGUF with two tensors a matrix, `NAME.in_sum2` (sum over tokens of the squared input, one a column) and
`NAME.counts`; tools/imatrix of the pinned llama.cpp. Floating-point sums of one machine: an input, not a step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kiln import run
from kiln.errors import ModelError
from kiln.model.gguf import Header

NAME = "imatrix.gguf"
TEXT = "calibration.txt"
SOURCE = "source.gguf"


def measure(tool: Path, source: Path, text: Path, folder: Path, *, context: int, log: Path, chunks: int = 0) -> Path:
    """Run `source` over `text` and write folder/imatrix.gguf. The tool sees fixed relative names: it writes them down."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in ((TEXT, text), (SOURCE, source)):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(file.resolve())
    made = folder / NAME
    made.unlink(missing_ok=True)
    run.run([tool.resolve(), "-m", SOURCE, "-f", TEXT, "-o", NAME, "-c", str(context), "--parse-special", "--process-output", "--no-ppl",
             "-t", str(run.threads()), *(["--chunks", str(chunks)] if chunks else [])], cwd=folder, log=log)
    if not made.is_file():
        raise ModelError(f"gave no importance matrix: less than one chunk of {context} tokens?", where=text, hint=f"log: {log}")
    return made


def read(file: Path, header: Header) -> dict[str, Any]:
    """Mean squared input of each column, by tensor, as float64 arrays. Raises ModelError for a file that does not fit the model."""
    import gguf
    import numpy

    try:
        found = {str(tensor.name): tensor.data.astype(numpy.float64).reshape(-1) for tensor in gguf.GGUFReader(file).tensors}
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise ModelError(f"is no importance matrix: {error}", where=file) from error
    columns = {tensor.name: tensor.shape[0] for tensor in header.tensors}
    made = {}
    for name, width in columns.items():
        sums, counts = found.get(f"{name}.in_sum2"), found.get(f"{name}.counts")
        if sums is None or counts is None:
            continue
        if sums.size % width or not counts.size or not numpy.isfinite(sums).all():
            raise ModelError(f"has {sums.size} numbers for {name} of {width} columns", where=file, hint="it is of another model")
        made[name] = sums.reshape(-1, width).sum(axis=0) / max(float(counts.sum()), 1.0)
    if not made:
        raise ModelError("has none of the model's tensors", where=file, hint="it is of another model")
    return made
