# SPDX-License-Identifier: Apache-2.0
"""Finds the recipe that loses least within so many bytes: what each type costs each matrix (sensitivity.py), a knapsack, and of the
candidates that it gives the one of least KL divergence; judged on text that nothing was fitted to.
"""

from __future__ import annotations

import dataclasses
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln import run, stamp
from kiln.errors import Refused
from kiln.model import evaluate, found, ggml, gguf, imatrix, knapsack, losses, recipes, sensitivity, stock
from kiln.model.found import Found, Tried
from kiln.model.gguf import Header, Tensor
from kiln.progress import Progress, silent

MEASURED = 24                          # chunks of text for one cost: 3,072 tokens judged of chunks of 256


@dataclass(frozen=True)
class Tools:
    """llama.cpp's programs for this machine."""

    quantize: Path
    perplexity: Path
    imatrix: Path


@dataclass(frozen=True)
class Texts:
    """`calibration` is what importance and weights are measured on, `heldout` what the result is judged by."""

    calibration: Path
    heldout: Path
    context: int


@dataclass(frozen=True)
class Search:
    """A model measured once, from which a recipe for any size can be chosen."""

    source: Path
    digest: str
    header: Header
    matrix: Path
    costs: tuple[sensitivity.Costs, ...]
    tools: Tools
    folder: Path
    log: Path
    tuned: evaluate.Yardstick          # on the calibration text: candidates are picked by it
    yardstick: evaluate.Yardstick      # on the held-out text: the result is judged by it

    def divergence(self, types: Mapping[str, str]) -> float:
        """From the source, with these matrices in these types and all others in F16, on the calibration text."""
        every = {tensor.name: types.get(tensor.name, "F16") for tensor in losses.matrices(self.header)}
        stamp.write(self.folder / "one.txt", found.lines(every))
        file = _quantized(self, "one.gguf", "Q8_0", "--tensor-type-file", "one.txt")
        return evaluate.quality(self.tools.perplexity, file, self.tuned, log=self.log).kld.value


def prepare(source: Path, tools: Tools, texts: Texts, folder: Path, *, log: Path, chunks: int = 0, progress: Progress = silent) -> Search:
    """Measure the model: importance, the error of every type on every matrix, and what that costs the answers.

    `chunks` bounds the text that is run (0: all of it). Peak memory is that of running the model.
    """
    header = gguf.header(source)
    stock.takes(header, recipes.load("q4_0"))
    folder.mkdir(parents=True, exist_ok=True)
    matrix = imatrix.measure(tools.imatrix, source, texts.calibration, folder, context=texts.context, log=log, chunks=chunks)
    each = losses.measure(source, header, imatrix.read(matrix, header), matrix, tools.quantize, folder, log=log, progress=progress)
    against, tuned = (evaluate.yardstick(tools.perplexity, source, text, folder / name, context=texts.context, vocabulary=header.n_vocab, log=log,
                                         chunks=limit)
                      for text, name, limit in ((texts.heldout, "heldout.logits", chunks), (texts.calibration, "tuned.logits", chunks or MEASURED)))
    made = Search(source, stamp.digest(source), header, matrix, (), tools, folder, log, tuned, against)
    wanted = losses.matrices(header)
    groups = sensitivity.groups(wanted)
    costs = sensitivity.measured(groups, each, made.divergence, progress) if groups else (sensitivity.prior(wanted, each),)
    return dataclasses.replace(made, costs=costs)


def choose(search: Search, room: int, *, recipe: str = "auto", dropped: tuple[int, ...] = ()) -> tuple[Found, ...]:
    """The candidates whose files have at most `room` bytes, without the `dropped` layers: one for each way to reckon costs.

    Raises Refused if no choice of types is that small.
    """
    left = found.renamed(search.header, dropped)
    wanted = {name: tensor for name, tensor in left.items() if tensor in losses.matrices(search.header)}
    kept = sum(ggml.padded(tensor.size, 32) for name, tensor in left.items() if name not in wanted)
    fixed = stock.head(dataclasses.replace(search.header, tensors=tuple(dataclasses.replace(tensor, name=name) for name, tensor in left.items())),
                       (imatrix.NAME, imatrix.TEXT)) + kept
    made = []
    for costs in search.costs:
        options = {name: [knapsack.Option(kind, losses.size(tensor, kind), {"F16": 0.0, **costs[tensor.name]}[kind])
                          for kind in (*losses.types(tensor), "F16")] for name, tensor in wanted.items()}
        picked = knapsack.choose(options, room - fixed)
        if picked is None:
            least = fixed + sum(min(option.size for option in every) for every in options.values())
            raise Refused(f"no choice of types makes this model smaller than {least} bytes, {room} are given", where="model.size",
                          hint="take a smaller model, or leave layers out: recipe: prune")
        size = fixed + sum(losses.size(wanted[name], kind) for name, kind in picked.items())
        made.append(Found(recipe, search.digest, stamp.digest(search.matrix), _base(picked, wanted), picked, dropped, size, 0.0, 0.0, (), machine()))
    return tuple({tuple(sorted(one.types.items())): one for one in made}.values())


def _base(picked: Mapping[str, str], wanted: Mapping[str, Tensor]) -> str:
    """The type of most bytes, of those that llama-quantize takes as a base."""
    bytes_of = dict.fromkeys(("Q8_0", *sorted(found.BASES)), 0)
    for name, kind in picked.items():
        if kind in bytes_of:
            bytes_of[kind] += losses.size(wanted[name], kind)
    return max(bytes_of, key=lambda kind: bytes_of[kind])


def least(search: Search, count: int, progress: Progress = silent) -> tuple[int, ...]:
    """The `count` layers without which the answers change least, one after the other: each is tried away with those that went before.

    That is one run of the model for each layer that is left, `count` times. Raises Refused where fewer than two would be left.
    """
    layers = search.header.n_layer
    if not 0 < count <= layers - 2:
        raise Refused(f"model.drop is {count}, the model has {layers} layers", hint=f"1 to {max(layers - 2, 1)}")
    gone: tuple[int, ...] = ()
    with progress(sum(layers - n for n in range(count)), "layers", "layers") as update:
        for _ in range(count):
            tried = {}
            for layer in (one for one in range(layers) if one not in gone):
                names = ",".join(map(str, sorted((*gone, layer))))
                file = _quantized(search, "fewer.gguf", "F16", "--prune-layers", names, weighted=False)
                tried[layer] = _tried(search, file, "prune").kld
                update(1)
            gone = (*gone, min(tried, key=lambda layer: tried[layer]))
    return tuple(sorted(gone))


def make(search: Search, recipe: Found, name: str) -> Path:
    """The quantized file of a recipe, in the search's folder; the tool sees fixed relative names, since a GGUF quotes them."""
    stamp.write(search.folder / "types.txt", found.patterns(recipe))
    dropped = ["--prune-layers", ",".join(map(str, recipe.dropped))] if recipe.dropped else []
    return _quantized(search, name, found.BASES[recipe.base][0], "--tensor-type-file", "types.txt", *dropped)


def confirm(search: Search, candidates: Sequence[Found], *, tried: Sequence[Tried] = ()) -> Found:
    """The candidate that diverges least on the calibration text, with what it measured on the held-out text and the size of its file."""
    rows = []
    for number, one in enumerate(candidates):
        file = make(search, one, "candidate.gguf")
        picked = evaluate.quality(search.tools.perplexity, file, search.tuned, log=search.log).kld.value if len(candidates) > 1 else 0.0
        name = one.recipe if len(candidates) == 1 else f"{one.recipe} {number + 1}"
        rows.append((picked, number, _tried(search, file, name)))
    _, best, row = min(rows, key=lambda one: one[:2])
    told = (*tried, *(dataclasses.replace(one, chosen=number == best) for _, number, one in rows))
    return dataclasses.replace(candidates[best], size=row.size, kld=row.kld, error=row.error, tried=told)


def stocks(search: Search, mixes: Mapping[str, str] = {}, *, progress: Progress = silent) -> list[Tried]:
    """What every stock recipe makes of this model, without and with the importance matrix: bytes and divergence.

    `mixes` are other words of llama-quantize, by the name to show.
    """
    wanted = mixes or {name: one.tool for name, one in recipes.every().items() if one.tool and one.tool != "F16"}
    made = []
    with progress(2 * len(wanted), "stock recipes", "recipes") as update:
        for name, word in wanted.items():
            for weighted in (False, True):
                file = _quantized(search, "stock.gguf", word, weighted=weighted)
                made.append(_tried(search, file, f"{name}{'+imatrix' if weighted else ''}"))
                update(1)
    return made


def machine() -> dict[str, str]:
    """What measured: the processor and the number of cores."""
    rows = Path("/proc/cpuinfo").read_text(errors="replace")
    model = re.search(r"^model name\s*:\s*(.+)$", rows, re.M)
    return {"cpu": model[1].strip() if model else platform.machine(), "cores": str(run.threads())}


def _quantized(search: Search, name: str, base: str, *options: str, weighted: bool = True) -> Path:
    matrix = ["--imatrix", imatrix.NAME] if weighted else []
    run.run([search.tools.quantize.resolve(), *matrix, *options, imatrix.SOURCE, name, base, str(run.threads())], cwd=search.folder, log=search.log)
    return search.folder / name


def _tried(search: Search, file: Path, recipe: str) -> Tried:
    """Measure a file against the source, and remove it."""
    said, size = evaluate.quality(search.tools.perplexity, file, search.yardstick, log=search.log), file.stat().st_size
    file.unlink()
    return Tried(recipe, size, said.kld.value, said.kld.error)
