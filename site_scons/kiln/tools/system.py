# SPDX-License-Identifier: Apache-2.0
"""System: OpenHarmony's libraries and base images out of a tree's own build.sh: the tree that was given, or the miniature one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import product as products
from kiln import results, share, stamp
from kiln.product import Product
from kiln.progress import bar
from kiln.tools import boundary, ohos, outside
from kiln.tools.settings import Settings

REVISION = 1


def system(env: Any, product: Product, sdk: Any) -> Any:
    """The node of the SystemBuilt; None where no tree is built: the product's base is a pinned archive or base=DIR, and no ohos= is given."""
    tree: Path | None = env["KILN_OHOS"]
    if tree:
        return _given(env, product, tree)
    return _miniature(env, product, sdk) if product.base.sandbox else None


def _given(env: Any, product: Product, tree: Path) -> Any:
    """A tree of somebody's own. Its sources are no sources of the node: its version, its commits and our patches are."""
    settings: Settings = env["KILN_SETTINGS"]
    folder = settings.build / product.name / "system"
    asked = ohos.targets(product)
    with boundary.reading():
        constants = (str(REVISION), products.canonical(product.system), product.userland, str(product.image.epoch), *asked, *ohos.identity(tree))

    def make(key: str) -> Sequence[Path]:
        from kiln import run
        from kiln import system as room
        from kiln.system import sandbox, taken

        log = run.rotate(settings.build / product.name / "logs" / "system.log")
        ohos.check(tree, product)
        applied = ohos.apply(settings, tree)
        built = room.build_given(tree, product, asked, folder, inputs=ohos.inputs(tree, product, applied), log=log, jobs=settings.jobs, progress=bar)
        images = taken.digest(built.images) if built.images else ""
        key = stamp.key(built.libraries.key, images)
        results.save(results.SystemBuilt(built.images, built.libraries.items, built.inputs, built.version, (tree / sandbox.LIST).is_file(), key), folder)
        return [*(item.file for item in built.libraries.items), *(sorted(built.images.iterdir()) if built.images else ())]

    step = outside.Step("system", f"{', '.join(asked)} of {product.system.name} in {tree}", folder, make, lambda: (), constants, foreign=True,
                        live="ohos" in settings.dev)
    return outside.node(env, step, [])


def _miniature(env: Any, product: Product, sdk: Any) -> Any:
    settings: Settings = env["KILN_SETTINGS"]
    folder = settings.build / product.name / "system"
    template = share.folder("sandbox") / product.base.sandbox
    loader = env.PinnedSource(product.board.loader)
    constants = (str(REVISION), products.canonical(product.system), products.canonical(product.board),
                 str(product.image.epoch), stamp.digest_tree(template))

    def make(key: str) -> Sequence[Path]:
        from kiln import run
        from kiln import system as room

        log = run.rotate(settings.build / product.name / "logs" / "system.log")
        toolchain = outside.result(env, results.Toolchain, sdk)
        built = room.build(template, toolchain, product, folder, loader=outside.result(env, results.Tree, loader), key=key,
                           log=log, jobs=settings.jobs, progress=bar)
        results.save(results.SystemBuilt(built.images, built.libraries.items, built.inputs, built.version, True, key), folder)
        return sorted(built.images.glob("*.img")) if built.images else []

    def inputs() -> Sequence[str]:
        return outside.result(env, results.Toolchain, sdk).key, outside.result(env, results.Tree, loader).identity

    step = outside.Step("system", f"{', '.join(product.system.targets)} and images of {product.system.name}", folder, make,
                        inputs, constants, foreign=True, live="ohos" in settings.dev)
    return outside.node(env, step, [loader, sdk])
