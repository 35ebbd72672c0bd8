# SPDX-License-Identifier: Apache-2.0
"""update=recipe: the product's model measured on this machine, and what was found written beside the product."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import results, run, share
from kiln.errors import Refused
from kiln.product import Product
from kiln.progress import bar
from kiln.tools.settings import Settings

CONTEXT = 256                          # tokens of a chunk of text, or the model's own context if that is less


def recipe(env: Any) -> Sequence[str]:
    """Measure, choose, confirm, write. Raises Refused for a product whose recipe is not one that is measured."""
    from kiln.model import found, recipes, search

    settings: Settings = env["KILN_SETTINGS"]
    product: Product = env["KILN_PRODUCT"]
    at = f"products/{product.name}.yaml"
    if not recipes.load(product.model.recipe).found:
        raise Refused(f"its recipe is {product.model.recipe}, which is not measured", where=at, hint="set model.recipe: auto, or prune")
    texts = _texts(product, at)
    source = _source(env, product)
    folder = settings.build / product.name / "recipe"
    log = run.rotate(settings.build / product.name / "logs" / "recipe.log")
    made = search.prepare(source, _tools(settings), texts, folder, log=log, progress=bar)
    room = int(product.model.size) or _room(product, made)
    dropped = search.least(made, product.model.drop, bar) if product.model.recipe == "prune" else ()
    tried = search.stocks(made, progress=bar)
    best = search.confirm(made, search.choose(made, room, recipe=product.model.recipe, dropped=dropped), tried=tried)
    where = share.folder("products")
    shutil.copyfile(made.matrix, found.matrix(where, product.name))
    found.save(best, found.file(where, product.name))
    better = [one for one in tried if one.size <= best.size and one.kld < best.kld]
    lines = [f"{one.recipe:10} {one.size:>12} bytes  KL divergence {one.kld:.6f} +- {one.error:.6f}" for one in sorted(best.tried, key=lambda one: one.size)]
    lines += [f"note: {one.recipe} is smaller and loses less here" for one in better]
    return [*lines, f"wrote      products/{product.name}.recipe.json and .imatrix.gguf: {best.size} bytes, {len(best.types)} matrices"
            + (f", without layers {', '.join(map(str, dropped))}" if dropped else "")]


def _texts(product: Product, at: str) -> Any:
    from kiln.model import search

    files = {}
    for name in ("calibration", "heldout"):
        said: str = getattr(product.model, name)
        file = share.root() / said
        if not said or not file.is_file():
            raise Refused(f"model.{name} {said!r} is not there" if said else f"model.{name} is not said", where=at,
                          hint="name a plain text file: one to measure on, another to judge by")
        files[name] = file
    return search.Texts(files["calibration"], files["heldout"], min(CONTEXT, product.model.context) if product.model.context > 0 else CONTEXT)


def _source(env: Any, product: Product) -> Path:
    given: Path | None = env["KILN_MODEL"]
    if given is None:
        raise Refused(f"the model {product.model.pin} is a pin, which this run does not fetch", hint="give model=PATH of it")
    return given


def _tools(settings: Settings) -> Any:
    from kiln.model import search

    made = [results.load(results.Artifacts, file) for file in sorted((settings.build / "host").glob(f"*/out/{results.NAME}"))]
    named = {item.file.name: item.file for one in made for item in one.items}
    return search.Tools(named["llama-quantize"], named["llama-perplexity"], named["llama-imatrix"])


def _room(product: Product, made: Any) -> int:
    """The largest file that board and partition take with the product's context: what the budget leaves for weights."""
    from kiln.model import budget

    seen = budget.budget(made.header, product, int(product.board.emmc), recipe="q8_0")
    return min(seen.free + seen.weights, seen.room)
