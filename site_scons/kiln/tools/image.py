# SPDX-License-Identifier: Apache-2.0
"""Image: what the product ships, placed, injected and packed into build/<product>/images, with its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import product as products
from kiln import results, stamp
from kiln.product import Product
from kiln.progress import bar
from kiln.tools import base as base_step
from kiln.tools import model as model_step
from kiln.tools import native as native_step
from kiln.tools import outside
from kiln.tools import sdk as sdk_step
from kiln.tools.settings import Settings

REVISION = 3


def image(env: Any, product: Product, base: Any, natives: Sequence[Any], model: Any) -> Any:
    """The node of the Images; building it is the default target."""
    settings: Settings = env["KILN_SETTINGS"]
    folder = settings.build / product.name

    def make(key: str) -> Sequence[Path]:
        from kiln import image as room
        from kiln import run
        from kiln.image import gate, place

        found = outside.result(env, results.Base, base)
        gguf = outside.result(env, results.Gguf, model)
        items = [item for one in natives for item in outside.result(env, results.Artifacts, one).items]
        placed = place.place(product, found, tuple(items), gguf, model_step.planned(product, gguf, int(product.board.emmc)))
        log = run.rotate(folder / "logs" / "image.log")
        made = room.bake(product, found, placed, inputs=_inputs(env, product, found, gguf), steps=_steps(env, base, natives, model),
                         into=folder / "images", scratch=folder / "image", log=log, key=key, progress=bar)
        gate.check(product, made)
        results.save(made, folder / "images")
        return [output.file for output in made.outputs]

    def inputs() -> Sequence[str]:
        every = [outside.result(env, results.Artifacts, one).key for one in natives]
        found = outside.result(env, results.Base, base)
        # The manifest lists the base's inputs, of which two may give the same bytes.
        return [found.key, products.canonical(found.inputs), outside.result(env, results.Gguf, model).sha256, *every]

    slices = (product.board, product.image, product.service, product.model)
    step = outside.Step("image", ", ".join(product.image.formats), folder / "images", make, inputs,
                        (str(REVISION), product.name, *map(products.canonical, slices)))
    return outside.node(env, step, [base, *natives, model])


def _inputs(env: Any, product: Product, base: results.Base, gguf: results.Gguf) -> tuple[results.Input, ...]:
    """Every input of the image, as the manifest lists them; the kernel that only the virtual board boots is none of it."""
    pins = {"" if env["KILN_MODEL"] else product.model.pin, *(native.pin for native in product.native.values())}
    rows = [*base.inputs, *sdk_step.inputs(env, product)]
    rows += [outside.result(env, results.Tree, env.PinnedSource(name)).input for name in pins if name]
    given: Path | None = env["KILN_MODEL"]
    if given:
        # A model of our own data is as pinned as the code; one that a person names is not.
        ours = env["KILN_SETTINGS"].model is None
        rows.append(results.Input("model", "path", gguf.name, stamp.digest(given), given.stat().st_size, gguf.licence, pinned=ours))
    return tuple(sorted(rows, key=lambda one: one.name))


def _steps(env: Any, base: Any, natives: Sequence[Any], model: Any) -> tuple[results.Step, ...]:
    """Step, key and revision of everything that went in."""
    rows = [results.Step("base", outside.result(env, results.Base, base).key, base_step.REVISION),
            results.Step("model", outside.result(env, results.Gguf, model).key, model_step.REVISION)]
    revisions = [native_step.OURS if native.path else native_step.REVISION for native in env["KILN_PRODUCT"].native.values()]
    rows += [results.Step("native", outside.result(env, results.Artifacts, one).key, revision)
             for one, revision in zip(natives, revisions, strict=True)]
    return tuple(sorted(rows, key=lambda row: (row.step, row.key)))
