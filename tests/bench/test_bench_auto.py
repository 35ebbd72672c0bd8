# SPDX-License-Identifier: Apache-2.0
"""auto on a model of the shape of Llama 3.2 1B, random: its own time and memory, against one run of llama-quantize on the same file.

Its own: the error of every type on every matrix, the knapsack, and the file. The importance matrix and the divergence that confirms are
runs of the model, which every recipe with an importance matrix needs; they are not counted, and no such model is run here.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest
from model.made import Shape, write
from model.test_quantize import matrix

from checkout import Built
from kiln.model import gguf

pytestmark = pytest.mark.long
SHAPE = Shape(16, 2048, 32, 8, 8192, 128256, 4096, tied=True)
OURS = """
import resource, sys, time
from pathlib import Path
from kiln import stamp
from kiln.model import found, gguf, imatrix, losses, search, sensitivity
source, folder, quantize, room = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
began, log = time.monotonic(), folder / "log"
header, matrix = gguf.header(source), folder / imatrix.NAME
each = losses.measure(source, header, imatrix.read(matrix, header), matrix, quantize, folder, log=log)
errors = time.monotonic()
made = search.Search(source, stamp.digest(source), header, matrix, (sensitivity.prior(losses.matrices(header), each),), search.Tools(quantize, quantize, quantize),
                     folder, log, None, None)
(best,) = search.choose(made, room)
chosen = time.monotonic()
file = search.make(made, best, "auto.gguf")
done = time.monotonic()
assert file.stat().st_size == best.size <= room, (file.stat().st_size, best.size)
peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(errors - began, chosen - errors, done - chosen, peak)
"""


def random(file: Path) -> Path:
    """The header by the gguf package, the data random from a block that is used again: 2.5 GB in seconds."""
    write(file, SHAPE, sparse=True)
    header = gguf.header(file)
    block = (numpy.random.default_rng(1).standard_normal(1 << 22) * 0.02).astype(numpy.float16).tobytes()
    with file.open("r+b") as out:
        out.seek(header.data)
        left = file.stat().st_size - header.data
        while left > 0:
            left -= out.write(block[:left])
    return file


def test_auto_of_1b(virt: Built, tmp_path: Path) -> None:
    source, tool = random(tmp_path / "source.gguf"), virt.host_tool("llama-quantize")
    matrix(tmp_path / "imatrix.gguf", gguf.header(source))
    began = time.monotonic()
    subprocess.run([tool, "--imatrix", "imatrix.gguf", "source.gguf", "stock.gguf", "Q4_K_M", "2"], cwd=tmp_path, check=True, capture_output=True)
    stock = time.monotonic() - began
    room = (tmp_path / "stock.gguf").stat().st_size
    (tmp_path / "stock.gguf").unlink()
    done = subprocess.run([sys.executable, "-c", OURS, source, tmp_path, tool, str(room)], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    errors, knapsack, file, peak = map(float, done.stdout.split())
    ours = errors + knapsack + file
    print(f"\nllama-quantize Q4_K_M {stock:.1f} s; auto {ours:.1f} s ({errors:.1f} errors of types, {knapsack:.1f} digest and knapsack, {file:.1f} file): "
          f"{ours / stock:.2f} times; peak memory {peak / 1024:.0f} MiB")
    assert peak < 4 << 20
    assert ours < 3 * stock, "unless the machine was busy"
