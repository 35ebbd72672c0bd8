# SPDX-License-Identifier: Apache-2.0
"""Native: one native target of a product for the board; HostTools: llama.cpp's tools for this machine, shared by products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kiln import pin as pins
from kiln import product as products
from kiln import results, share, stamp
from kiln.product import Native, Product
from kiln.progress import bar
from kiln.tools import boundary, outside, source
from kiln.tools.sdk import host_abi
from kiln.tools.settings import Settings

REVISION, OURS = 2, 1                  # of llama.cpp's step, of the steps of our own projects


def native(env: Any, product: Product, name: str, sdk: Any) -> Any:
    """The node of the Artifacts of the native target `name`; asked twice, it is the same node."""
    nodes = env.setdefault("KILN_NATIVES", {})
    if name not in nodes:
        target = product.native[name]
        nodes[name] = ours(env, product, name, target, sdk) if target.path else _pinned(env, product, name, target, sdk)
    return nodes[name]


def ours(env: Any, product: Product, name: str, target: Native, sdk: Any) -> Any:
    """The node of the Artifacts of a CMake project of ours, after the targets that it needs."""
    settings: Settings = env["KILN_SETTINGS"]
    folder, source_ = settings.build / product.name / "native" / name, share.root() / target.path
    trees = {need: env.PinnedSource(product.native[need].pin) for need in target.needs if product.native[need].pin}
    built = {need: native(env, product, need, sdk) for need in target.needs}

    def make(key: str) -> Sequence[Path]:
        from kiln import native as room
        from kiln import run

        log = run.rotate(settings.build / product.name / "logs" / f"native-{name}.log")
        needs = [room.Need(need, outside.result(env, results.Tree, trees[need]).root if need in trees
                           else share.root() / product.native[need].path, outside.result(env, results.Artifacts, built[need]))
                 for need in target.needs]
        made = room.build(target, source_, outside.result(env, results.Toolchain, sdk), march=product.board.march, folder=folder, key=key,
                          log=log, jobs=settings.jobs, ccache=_ccache(settings), needs=needs, hide=(settings.build, settings.cache),
                          progress=bar)
        return [item.file for item in made.items]

    def inputs() -> Sequence[str]:
        return (outside.result(env, results.Toolchain, sdk).key, *(outside.result(env, results.Tree, tree).identity for tree in trees.values()),
                *(outside.result(env, results.Artifacts, one).key for one in built.values()))

    with boundary.reading():
        from kiln.native import ours as room

        made_of = room.digest(source_)
    constants = (str(OURS), products.canonical({"native": target, "board": [product.board.abi, product.board.march]}), made_of)
    step = outside.Step("native", f"{name} with {sdk.dir.name}", folder / "out", make, inputs, constants, foreign=True,
                        live=name in settings.dev)
    return outside.node(env, step, [sdk, *trees.values(), *built.values()])


def _pinned(env: Any, product: Product, name: str, target: Native, sdk: Any) -> Any:
    settings: Settings = env["KILN_SETTINGS"]
    folder = settings.build / product.name / "native" / name
    slice_ = products.canonical({"native": target, "board": [product.board.abi, product.board.march]})

    def build(tree: results.Tree, toolchain: results.Toolchain, key: str, log: Path) -> None:
        from kiln.native import llama as room

        room.llama_for_board(tree, toolchain, product, folder=folder, key=key, log=log, jobs=settings.jobs,
                             ccache=_ccache(settings), hide=(settings.build, settings.cache), progress=bar)

    return _node(env, target.pin, sdk, folder, name, slice_, build, product.name, name in settings.dev)


def host_tools(env: Any, product: Product) -> Any:
    """The node of the Artifacts of llama-quantize and its kin for this machine, made by the SDK's own compiler."""
    settings: Settings = env["KILN_SETTINGS"]
    name = product.native["llama.cpp"].pin
    with boundary.reading():
        pin = pins.load(name)
    folder = settings.build / "host" / f"{name}-{source.key8(pin)}"

    def build(tree: results.Tree, toolchain: results.Toolchain, key: str, log: Path) -> None:
        from kiln.native import llama as room

        room.llama_for_host(tree, toolchain, folder=folder, key=key, log=log, jobs=settings.jobs,
                            ccache=_ccache(settings), hide=(settings.build, settings.cache), progress=bar)

    return _node(env, name, env.Sdk(product, host_abi()), folder, "host tools", "host", build, "", "host" in settings.dev)


def _node(env: Any, pin: str, sdk: Any, folder: Path, name: str, slice_: str,
          build: Callable[[results.Tree, results.Toolchain, str, Path], None], product: str, live: bool) -> Any:
    settings: Settings = env["KILN_SETTINGS"]
    tree, flags = env.PinnedSource(pin), stamp.digest_tree(share.folder("native") / "cmake")

    def make(key: str) -> Sequence[Path]:
        from kiln import run

        log = run.rotate(settings.build / product / "logs" / f"native-{name.replace(' ', '-')}.log")
        build(outside.result(env, results.Tree, tree), outside.result(env, results.Toolchain, sdk), key, log)
        return [item.file for item in results.load(results.Artifacts, folder / "out" / results.NAME).items]

    def inputs() -> Sequence[str]:
        return outside.result(env, results.Toolchain, sdk).key, outside.result(env, results.Tree, tree).identity

    step = outside.Step("native", f"{name} with {sdk.dir.name}", folder / "out", make, inputs, (str(REVISION), slice_, flags),
                        kept=True, foreign=True, live=live)
    return outside.node(env, step, [tree, sdk])


def _ccache(settings: Settings) -> Path | None:
    return settings.cache / "ccache" if settings.ccache else None
