# SPDX-License-Identifier: Apache-2.0
"""System: OpenHarmony's libraries and base images out of a tree's own build.sh; the sandbox's miniature tree for virt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import product as products
from kiln import results, share, stamp
from kiln.product import Product
from kiln.progress import bar
from kiln.tools import outside
from kiln.tools.settings import Settings

REVISION = 1


def system(env: Any, product: Product, sdk: Any) -> Any:
    """The node of the Base: the images that Kiln injects into, with the rebuilt libraries in them."""
    settings: Settings = env["KILN_SETTINGS"]
    folder = settings.build / product.name / "system"
    template = share.folder("sandbox") / product.base.sandbox
    loader = env.PinnedSource(product.board.loader)
    constants = (str(REVISION), products.canonical(product.system), products.canonical(product.board),
                 str(product.image.epoch), stamp.digest_tree(template))

    def make(key: str) -> Sequence[Path]:
        from kiln import run
        from kiln import system as room
        from kiln.image import base

        log = run.rotate(settings.build / product.name / "logs" / "system.log")
        toolchain = outside.result(env, results.Toolchain, sdk)
        built = room.build(template, toolchain, product, folder, loader=outside.result(env, results.Tree, loader), key=key,
                           log=log, jobs=settings.jobs, progress=bar)
        found = base.read(built.images, key=key, inputs=built.inputs, sandbox=True)
        results.save(found, folder)
        return [part.image for part in found.partitions if part.image]

    def inputs() -> Sequence[str]:
        return outside.result(env, results.Toolchain, sdk).key, outside.result(env, results.Tree, loader).identity

    step = outside.Step("system", f"{', '.join(product.system.targets)} and images of {product.system.name}", folder, make,
                        inputs, constants, foreign=True, live="ohos" in settings.dev)
    return outside.node(env, step, [loader, sdk])
