# SPDX-License-Identifier: Apache-2.0
"""Native: one native target of a product for the board; HostTools: llama.cpp's tools for this machine, shared by products."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kiln import pin as pins
from kiln import product as products
from kiln import results, share, stamp
from kiln.product import Native, Product
from kiln.progress import bar
from kiln.tools import boundary, outside, source
from kiln.tools.sdk import host_abi, stand_in
from kiln.tools.settings import Settings

REVISION, OURS = 2, 1                  # of llama.cpp's step, of the steps of our own projects


def native(env: Any, product: Product, name: str, sdk: Any, base: Any = None) -> Any:
    """The node of the Artifacts of the native target `name`; asked twice, it is the same node.

    `base` is the node of the Base, which decides the linkage where the product does not and the base is not the sandbox's own.
    """
    nodes = env.setdefault("KILN_NATIVES", {})
    if name not in nodes:
        target = product.native[name]
        nodes[name] = ours(env, product, name, target, sdk, base) if target.path else _pinned(env, product, name, target, sdk, base)
    return nodes[name]


def linkage(env: Any, product: Product, target: Native, base: Any) -> str:
    """shared or static. Known before anything is made, but for a product whose base is read first."""
    asks = base is not None and _asks(env, product, target)
    return product.linked(target, outside.result(env, results.Base, base).abi if asks else product.board.abi)[0]


def _asks(env: Any, product: Product, target: Native) -> bool:
    """Whether the base must be read first. The sandbox's own tree is built for board.abi."""
    settings: Settings = env["KILN_SETTINGS"]
    return target.linkage == "auto" and (settings.base is not None or not product.base.sandbox)


def _slice(product: Product, target: Native) -> str:
    """What a native build reads of the product; the linkage enters its key once it is decided."""
    import dataclasses

    plain = {name: value for name, value in dataclasses.asdict(target).items() if name != "linkage"}
    return products.canonical({"native": plain, "board": [product.board.abi, product.board.march]})


def ours(env: Any, product: Product, name: str, target: Native, sdk: Any, base: Any = None,
         headers: Mapping[str, Path] | None = None) -> Any:
    """The node of the Artifacts of a CMake project of ours, after the targets that it needs; `headers` are folders of ours, found as those are."""
    settings: Settings = env["KILN_SETTINGS"]
    folder, source_ = settings.build / product.name / "native" / name, share.root() / target.path
    trees = {need: env.PinnedSource(product.native[need].pin) for need in target.needs if product.native[need].pin}
    built = {need: native(env, product, need, sdk, base) for need in target.needs}
    asks = [base] if base is not None and _asks(env, product, target) else []

    def make(key: str) -> Sequence[Path]:
        from kiln import native as room
        from kiln import run

        log = run.rotate(settings.build / product.name / "logs" / f"native-{name}.log")
        if linkage(env, product, target, base) == "static":
            # A library or program of ours finds neither loader nor libraries in a userland of another ABI.
            return [item.file for item in room.kept.saved([], key, room.kept.emptied(folder / "out")).items]
        needs = [room.Need(need, outside.result(env, results.Tree, trees[need]).root if need in trees
                           else share.root() / product.native[need].path, outside.result(env, results.Artifacts, built[need]))
                 for need in target.needs]
        needs += [room.Need(need, folder_) for need, folder_ in (headers or {}).items()]
        made = room.build(target, source_, outside.result(env, results.Toolchain, sdk), march=product.board.march, folder=folder, key=key,
                          log=log, jobs=settings.jobs, ccache=_ccache(settings), needs=needs, hide=(settings.build, settings.cache),
                          progress=bar)
        return [item.file for item in made.items]

    def inputs() -> Sequence[str]:
        return (outside.result(env, results.Toolchain, sdk).key, *(outside.result(env, results.Tree, tree).identity for tree in trees.values()),
                *(outside.result(env, results.Artifacts, one).key for one in built.values()), *_decided(env, product, target, base))

    with boundary.reading():
        from kiln.native import ours as room

        made_of = stamp.key(room.digest(source_), *map(stamp.digest_tree, (headers or {}).values()))
    constants = (str(OURS), _slice(product, target), made_of)
    step = outside.Step("native", f"{name} with {sdk.dir.name}", folder / "out", make, inputs, constants, foreign=True,
                        live=name in settings.dev)
    return outside.node(env, step, [sdk, *trees.values(), *built.values(), *asks])


def _decided(env: Any, product: Product, target: Native, base: Any) -> tuple[str, ...]:
    """The linkage as a part of a key; shared, as it always was before there was another, is none."""
    found = linkage(env, product, target, base)
    return () if found == "shared" else (found,)


def _pinned(env: Any, product: Product, name: str, target: Native, sdk: Any, base: Any = None) -> Any:
    settings: Settings = env["KILN_SETTINGS"]
    folder = settings.build / product.name / "native" / name
    asks = [base] if base is not None and _asks(env, product, target) else []

    def build(tree: results.Tree, toolchain: results.Toolchain, key: str, log: Path) -> None:
        from kiln.native import llama as room

        make = room.llama_static if linkage(env, product, target, base) == "static" else room.llama_for_board
        make(tree, toolchain, product, folder=folder, key=key, log=log, jobs=settings.jobs,
             ccache=_ccache(settings), hide=(settings.build, settings.cache), progress=bar)

    return _node(env, target.pin, sdk, folder, name, _slice(product, target), build, product.name, name in settings.dev, asks,
                 lambda: _decided(env, product, target, base))


def host_tools(env: Any, product: Product) -> Any:
    """The node of the Artifacts of llama-quantize and its kin for this machine, made by the stand-in SDK's compiler."""
    settings: Settings = env["KILN_SETTINGS"]
    name = product.native["llama.cpp"].pin
    with boundary.reading():
        pin = pins.load(name)
    folder = settings.build / "host" / f"{name}-{source.key8(pin)}"

    def build(tree: results.Tree, toolchain: results.Toolchain, key: str, log: Path) -> None:
        from kiln.native import llama as room

        room.llama_for_host(tree, toolchain, folder=folder, key=key, log=log, jobs=settings.jobs,
                            ccache=_ccache(settings), hide=(settings.build, settings.cache), progress=bar)

    return _node(env, name, stand_in(env, host_abi()), folder, "host tools", "host", build, "", "host" in settings.dev)


def _node(env: Any, pin: str, sdk: Any, folder: Path, name: str, slice_: str,
          build: Callable[[results.Tree, results.Toolchain, str, Path], None], product: str, live: bool, asks: Sequence[Any] = (),
          decided: Callable[[], Sequence[str]] = lambda: ()) -> Any:
    settings: Settings = env["KILN_SETTINGS"]
    tree, flags = env.PinnedSource(pin), stamp.digest_tree(share.folder("native") / "cmake")

    def make(key: str) -> Sequence[Path]:
        from kiln import run

        log = run.rotate(settings.build / product / "logs" / f"native-{name.replace(' ', '-')}.log")
        build(outside.result(env, results.Tree, tree), outside.result(env, results.Toolchain, sdk), key, log)
        return [item.file for item in results.load(results.Artifacts, folder / "out" / results.NAME).items]

    def inputs() -> Sequence[str]:
        return outside.result(env, results.Toolchain, sdk).key, outside.result(env, results.Tree, tree).identity, *decided()

    step = outside.Step("native", f"{name} with {sdk.dir.name}", folder / "out", make, inputs, (str(REVISION), slice_, flags),
                        kept=True, foreign=True, live=live)
    return outside.node(env, step, [tree, sdk, *asks])


def _ccache(settings: Settings) -> Path | None:
    return settings.cache / "ccache" if settings.ccache else None
