# SPDX-License-Identifier: Apache-2.0
"""Finds the recipe that loses least within so many bytes: the losses of each type, how much each matrix matters, a knapsack,
and a KL divergence on text that nothing was fitted to.

How much a matrix matters: its share of output error, weighed by what the whole model's answers suffer. For a model that is
quick to run the weight is measured, matrix by matrix (the divergence that one matrix in a coarse type causes); for a
larger one it is PRIOR, which was fitted on the two models of docs/recipes.md.
"""

from __future__ import annotations

import dataclasses
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln import run, stamp
from kiln.errors import Refused
from kiln.model import evaluate, found, ggml, gguf, imatrix, knapsack, losses, recipes, stock
from kiln.model.found import Found, Tried
from kiln.model.gguf import Header
from kiln.progress import Progress, silent

QUICK = 64 << 20                       # weights of a model that is run once a matrix
COARSE = ("Q3_K", "Q4_0")              # the types of those runs, for rows of 256s and of 32s
# Share of a unit of relative error in the output of a matrix that reaches the answer.
PRIOR = {"attn_q": 0.35, "attn_k": 0.35, "attn_v": 1.3, "attn_qkv": 1.0, "attn_output": 1.0, "ffn_gate": 0.7, "ffn_up": 0.9, "ffn_down": 1.2,
         "token_embd.weight": 2.0, "output.weight": 2.0}


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
    losses: Mapping[str, Mapping[str, float]]
    weights: Mapping[str, float]
    tools: Tools
    folder: Path
    log: Path
    yardstick: evaluate.Yardstick


def prepare(source: Path, tools: Tools, texts: Texts, folder: Path, *, log: Path, chunks: int = 0, progress: Progress = silent) -> Search:
    """Measure the model: importance, the loss of every type on every matrix, and how much each matrix matters.

    `chunks` bounds the text that is run (0: all of it). Peak memory is that of running the model.
    """
    header = gguf.header(source)
    stock.takes(header, recipes.load("q4_0"))
    folder.mkdir(parents=True, exist_ok=True)
    matrix = imatrix.measure(tools.imatrix, source, texts.calibration, folder, context=texts.context, log=log, chunks=chunks)
    each = losses.measure(source, header, imatrix.read(matrix, header), matrix, tools.quantize, folder, log=log, progress=progress)
    against = evaluate.yardstick(tools.perplexity, source, texts.heldout, folder / "heldout.logits", context=texts.context,
                                 vocabulary=header.n_vocab, log=log, chunks=chunks)
    made = Search(source, stamp.digest(source), header, matrix, each, {}, tools, folder, log, against)
    return _weighed(made, texts, chunks, progress)


def choose(search: Search, room: int, *, recipe: str = "auto", dropped: tuple[int, ...] = ()) -> Found:
    """The recipe whose file has at most `room` bytes, without the `dropped` layers, not yet confirmed.

    Raises Refused if no choice of types is that small.
    """
    left = found.renamed(search.header, dropped)
    wanted = {name: tensor for name, tensor in left.items() if tensor in losses.matrices(search.header)}
    kept = sum(ggml.padded(tensor.size, 32) for name, tensor in left.items() if name not in wanted)
    fixed = stock.head(dataclasses.replace(search.header, tensors=tuple(dataclasses.replace(tensor, name=name) for name, tensor in left.items())),
                       (imatrix.NAME, imatrix.TEXT)) + kept
    options = {name: [knapsack.Option(kind, losses.size(tensor, kind), search.weights[tensor.name] * search.losses[tensor.name][kind])
                      for kind in losses.types(tensor)] for name, tensor in wanted.items()}
    picked = knapsack.choose(options, room - fixed)
    if picked is None:
        least = fixed + sum(min(option.size for option in every) for every in options.values())
        raise Refused(f"no choice of types makes this model smaller than {least} bytes, {room} are given", where="model.size",
                      hint="take a smaller model, or leave layers out: recipe: prune")
    bytes_of: dict[str, int] = {}
    for name, kind in picked.items():
        bytes_of[kind] = bytes_of.get(kind, 0) + losses.size(wanted[name], kind)
    base = max(bytes_of, key=lambda kind: (bytes_of[kind], kind))
    return Found(recipe, search.digest, stamp.digest(search.matrix), base, picked, dropped, fixed + sum(bytes_of.values()), 0.0, 0.0, (), machine())


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


def confirm(search: Search, recipe: Found, *, tried: Sequence[Tried] = ()) -> Found:
    """The recipe with what it measured: the size of its file, its divergence on held-out text."""
    row = dataclasses.replace(_tried(search, make(search, recipe, "candidate.gguf"), recipe.recipe), chosen=True)
    return dataclasses.replace(recipe, size=row.size, kld=row.kld, error=row.error, tried=(*tried, row))


def stocks(search: Search, *, with_matrix: bool = True, progress: Progress = silent) -> list[Tried]:
    """What every stock recipe makes of this model: bytes and divergence, without and with the importance matrix."""
    made, names = [], [name for name, one in recipes.every().items() if one.tool and one.tool != "F16" and not one.found]
    runs = [(name, False) for name in names] + ([(name, True) for name in names] if with_matrix else [])
    with progress(len(runs), "stock recipes", "recipes") as update:
        for name, weighted in runs:
            file = _quantized(search, "stock.gguf", recipes.load(name).tool, weighted=weighted)
            made.append(_tried(search, file, f"{name}{'+imatrix' if weighted else ''}"))
            update(1)
    return made


def machine() -> dict[str, str]:
    """What measured: the processor and the number of cores."""
    rows = Path("/proc/cpuinfo").read_text(errors="replace")
    model = re.search(r"^model name\s*:\s*(.+)$", rows, re.M)
    return {"cpu": model[1].strip() if model else platform.machine(), "cores": str(run.threads())}


def _weighed(search: Search, texts: Texts, chunks: int, progress: Progress) -> Search:
    wanted = losses.matrices(search.header)
    weights = {tensor.name: PRIOR.get(stock.kind_of(tensor.name), 1.0) / search.losses[tensor.name][""] for tensor in wanted}
    if sum(losses.size(tensor, "F16") // 2 for tensor in wanted) > QUICK:
        return dataclasses.replace(search, weights=weights)
    text = texts.calibration
    tuned = evaluate.yardstick(search.tools.perplexity, search.source, text, search.folder / "tuned.logits", context=texts.context,
                               vocabulary=search.header.n_vocab, log=search.log, chunks=chunks)
    with progress(len(wanted), "weight of each matrix", "matrices") as update:
        for tensor in wanted:
            kind = next(kind for kind in COARSE if kind in losses.types(tensor))
            only = {one.name: kind if one is tensor else "F16" for one in wanted}
            stamp.write(search.folder / "one.txt", found.lines(only))
            file = _quantized(search, "one.gguf", found.BASES[kind][0], "--tensor-type-file", "one.txt")
            said = evaluate.quality(search.tools.perplexity, file, tuned, log=search.log)
            weights[tensor.name] = max(said.kld.value, 1e-9) / search.losses[tensor.name][kind]
            update(1)
    return dataclasses.replace(search, weights=weights)


def _quantized(search: Search, name: str, base: str, *options: str, weighted: bool = True) -> Path:
    matrix = ["--imatrix", imatrix.NAME] if weighted else []
    run.run([search.tools.quantize.resolve(), *matrix, *options, imatrix.SOURCE, name, base, str(run.threads())], cwd=search.folder, log=search.log)
    return search.folder / name


def _tried(search: Search, file: Path, recipe: str) -> Tried:
    """Measure a file against the source, and remove it."""
    said, size = evaluate.quality(search.tools.perplexity, file, search.yardstick, log=search.log), file.stat().st_size
    file.unlink()
    return Tried(recipe, size, said.kld.value, said.kld.error)
