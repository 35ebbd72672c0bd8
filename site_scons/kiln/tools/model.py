# SPDX-License-Identifier: Apache-2.0
"""Model: the product's model, quantized by its recipe, and proven on this machine before an image is packed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import product as products
from kiln import results, share, stamp
from kiln.errors import ModelError, Refused
from kiln.footprint import Budget
from kiln.product import Product
from kiln.spec import AUTO
from kiln.tools import outside
from kiln.tools.settings import Settings

REVISION = 1
MEASURED = ("auto", "prune")


def model(env: Any, product: Product, host: Any) -> Any:
    """The node of the Gguf. Its file is `model.gguf` beside its result."""
    settings: Settings = env["KILN_SETTINGS"]
    folder = settings.build / product.name / "model"
    given: Path | None = env["KILN_MODEL"]
    upstream = env.File(str(given)) if given else env.PinnedSource(product.model.pin)

    def make(key: str) -> Sequence[Path]:
        from kiln import run
        from kiln.model import quantize

        source = given or _only_gguf(outside.result(env, results.Tree, upstream).root)
        tools = outside.result(env, results.Artifacts, host)
        log = run.rotate(settings.build / product.name / "logs" / "model.log")
        made = quantize.quantize(source, product.model.recipe, _tool(tools, "llama-quantize"), folder / "model.gguf",
                                 log=log, key=key, context=product.model.context, measured=measured(product, source))
        prove(product, tools, made, log.with_name("answers.log"))
        return [made.file]

    def inputs() -> Sequence[str]:
        origin = stamp.digest(given) if given else outside.result(env, results.Tree, upstream).identity
        return outside.result(env, results.Artifacts, host).key, origin

    constants = (str(REVISION), products.canonical(product.model), products.canonical(product.check), *_recipe(product))
    step = outside.Step("model", f"{product.model.recipe} of {given.name if given else product.model.pin}", folder, make,
                        inputs, constants)
    return outside.node(env, step, [upstream, host], targets=[folder / "model.gguf"])


def planned(product: Product, gguf: results.Gguf, room: int) -> Budget:
    """How the finished file is served on the product's board: by its own header, so exact. Raises Refused if it does not fit."""
    from kiln.model import budget
    from kiln.model import gguf as files

    finished = dataclasses.replace(product, model=dataclasses.replace(product.model, recipe="as_is"))
    return dataclasses.replace(budget.check(files.header(gguf.file), finished, room), recipe=gguf.recipe)


def _recipe(product: Product) -> tuple[str, ...]:
    """The digests of a measured recipe's two files, for the key; none where there is none."""
    from kiln.model import found

    files = [where(share.folder("products"), product.name) for where in (found.file, found.matrix)]
    return tuple(stamp.digest(one) for one in files if one.is_file()) if product.model.recipe in MEASURED else ()


def measured(product: Product, source: Path) -> Any:
    """The recipe that was measured for the product, checked against the model; None for a stock recipe. Raises Refused."""
    from kiln.model import found, gguf, quantize, recipes

    if not recipes.load(product.model.recipe).found:
        return None
    made, matrix = found.of(product), found.matrix(share.folder("products"), product.name)
    shown, command = f"products/{product.name}.recipe.json", found.command(product.name)
    found.fits(made, gguf.header(source), stamp.digest(source), shown, command)
    if not matrix.is_file() or stamp.digest(matrix) != made.imatrix:
        raise Refused("is not the importance matrix of the recipe beside it" if matrix.is_file() else "is not there",
                      where=f"products/{matrix.name}", hint=f"both are written by {command}")
    if made.recipe != product.model.recipe:
        raise Refused(f"is a recipe {made.recipe}, the product says {product.model.recipe}", where=shown, hint=f"measure it: {command}")
    return quantize.Measured(made, matrix)


def prove(product: Product, tools: results.Artifacts, made: results.Gguf, log: Path) -> None:
    """Ask the quantized model on this machine what `check` will ask; a recipe that forgets too much is refused here."""
    from kiln.judge import card, host

    if not product.model.card or not product.check.ask:
        return
    asked = card.questions(share.root() / product.model.card, product.check.ask)
    right = host.answers(_tool(tools, "llama-server"), made.file, asked, log=log, context=host.CONTEXT if product.model.context == AUTO else product.model.context)
    if sum(right) < product.check.min_correct:
        raise ModelError(f"recipe {made.recipe} answers {sum(right)} of {len(right)} questions, the product wants "
                         f"{product.check.min_correct}", where=f"products/{product.name}.yaml",
                         hint="take a recipe with more bits, such as q8_0")


def _tool(tools: results.Artifacts, name: str) -> Path:
    return next(item.file for item in tools.items if item.file.name == name)


def _only_gguf(root: Path) -> Path:
    found = sorted(root.rglob("*.gguf"))
    if len(found) != 1:
        raise ModelError(f"holds {len(found)} GGUF files", where=root, hint="a model pin must hold exactly one")
    return found[0]
