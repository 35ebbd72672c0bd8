# SPDX-License-Identifier: Apache-2.0
"""Sdk: the Toolchain of a product for one ABI: the stand-in made out of ziglang, a pinned ohos-sdk, or sdk=PATH."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import pin as pins
from kiln import product as products
from kiln import results, share, stamp
from kiln.product import Product
from kiln.progress import bar
from kiln.tools import boundary, outside, source
from kiln.tools.settings import Settings

REVISION, REAL = 1, 1                  # of the stand-in, of a real SDK
HOST = {"x86_64": "x86_64", "aarch64": "arm64-v8a"}
STAND_IN = "ziglang"                   # the package that the stand-in is made of


def host_abi() -> str:
    """The ABI whose static programs run on this machine; its tools come out of the same compiler as the board's."""
    return HOST.get(platform.machine(), "x86_64")


def sdk(env: Any, product: Product, abi: str = "") -> Any:
    """The node of the Toolchain for `abi` (the board's if none is given)."""
    settings: Settings = env["KILN_SETTINGS"]
    abi = abi or product.board.abi
    nodes = env.setdefault("KILN_SDKS", {})
    with boundary.reading():
        pin = pins.load(product.sdk)
    if (abi, "real") not in nodes and settings.sdk:
        nodes[abi, "real"] = _given(env, settings.sdk, abi)
    elif (abi, "real") not in nodes and pin.name != STAND_IN:
        nodes[abi, "real"] = _real(env, f"{pin.pin}-{source.key8(pin)}", abi, _unpacked(env, pin), pin.sha256)
    return nodes[abi, "real"] if (abi, "real") in nodes else stand_in(env, abi, product.sdk)


def stand_in(env: Any, abi: str, name: str = STAND_IN) -> Any:
    """The node of the stand-in's Toolchain: also what programs for this machine are built with, whatever SDK the board has.

    So quantized bytes do not depend on the SDK that somebody has.
    """
    settings: Settings = env["KILN_SETTINGS"]
    nodes = env.setdefault("KILN_SDKS", {})
    if abi in nodes:
        return nodes[abi]
    with boundary.reading():
        pin = pins.load(name)
        identity = source.identity(pin)
    zig = env.PinnedSource(name)
    folder = settings.build / "sdk" / f"{pin.pin}-{source.key8(pin)}-{abi}"
    template = share.folder("sandbox") / "sdk"

    def make(key: str) -> Sequence[Path]:
        from kiln import run
        from kiln import sdk as room

        tree = outside.result(env, results.Tree, zig)
        log = run.rotate(settings.build / "logs" / f"sdk-{abi}.log")
        room.from_zig(tree, template, abi, folder, key=key, log=log, scratch=settings.build / "sdk" / f".{abi}.scratch",
                      jobs=settings.jobs)
        return ()

    step = outside.Step("sdk", f"{abi} out of {pin.pin} {pin.version}", folder, make, lambda: (),
                        (str(REVISION), identity, abi, stamp.digest_tree(template)), kept=True, foreign=True)
    nodes[abi] = outside.node(env, step, [zig])
    return nodes[abi]


def _given(env: Any, path: Path, abi: str) -> Any:
    """sdk=PATH: a folder is used where it lies, an archive is unpacked once."""
    from kiln.sdk import real as room

    with boundary.reading():
        found = room.find(path)
    if found.native:
        return _real(env, f"given-{stamp.key(str(found.native))[:8]}", abi, None, "", found.native)
    assert found.archive
    return _real(env, f"given-{stamp.key(str(found.archive))[:8]}", abi, _packed(env, found.archive), "")


def _unpacked(env: Any, pin: pins.Pin) -> Any:
    """The node of a pinned SDK's native/, as a Tree."""
    settings: Settings = env["KILN_SETTINGS"]

    def bring() -> tuple[Path, str, results.Input]:
        from kiln import fetch

        came = fetch.get(pin, settings.cache, offline=settings.offline, mirror=settings.mirror, progress=bar)
        return came.path, pin.file, came.input

    return _native(env, f"{pin.pin}-{source.key8(pin)}", f"{pin.pin} {pin.version}", bring, products.canonical(pin))


def _packed(env: Any, archive: Path) -> Any:
    found = archive.stat()
    state = f"{archive} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"

    def bring() -> tuple[Path, str, results.Input]:
        return archive, archive.name, results.Input("sdk", "path", archive.name, stamp.digest(archive), archive.stat().st_size, "", pinned=False)

    return _native(env, f"given-{stamp.key(str(archive))[:8]}", str(archive), bring, state)


def _native(env: Any, name: str, what: str, bring: Any, state: str) -> Any:
    """The node of the part `native` of an SDK's archive: the tar.gz of zips, or that zip by itself."""
    nodes = env.setdefault("KILN_SDKS", {})
    if name in nodes:
        return nodes[name]
    settings: Settings = env["KILN_SETTINGS"]
    folder = settings.build / "sdk" / name

    def make(key: str) -> Sequence[Path]:
        from kiln.fetch import inner
        from kiln.fetch.unpack import unpack
        from kiln.sdk import real as room

        packed, file, came = bring()
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "native.zip"
        if not re.fullmatch(r"native-.*\.zip", file):
            file = inner.extract(packed, file, room.INNER, part, what="linux/native-linux-x64-*.zip", progress=bar).rpartition("/")[2]
            packed = part
        unpack(packed, folder / "native", file=file, subdir="native", progress=bar)
        part.unlink(missing_ok=True)
        results.save(results.Tree(folder / "native", came), folder)
        return [folder / "native" / "oh-uni-package.json"]

    nodes[name] = outside.node(env, outside.Step("fetch", f"native of {what}", folder, make, lambda: (), (str(REAL), state)), [])
    return nodes[name]


def _real(env: Any, name: str, abi: str, tree: Any, origin: str, native: Path | None = None) -> Any:
    """The node of a real SDK's Toolchain. Where it lies is not told by anything that it builds, so it enters no key but this one's."""
    from kiln.sdk import real as room

    settings: Settings = env["KILN_SETTINGS"]
    folder = settings.build / "sdk" / f"{name}-{abi}"

    def make(key: str) -> Sequence[Path]:
        root = native or outside.result(env, results.Tree, tree).root
        room.read(root, abi, folder, key=key, origin=origin)
        return [folder / "kiln.toolchain.cmake"]

    def inputs() -> Sequence[str]:
        return (outside.result(env, results.Tree, tree).identity,) if tree else ()

    step = outside.Step("sdk", f"{abi} in {native or name}", folder, make, inputs, (str(REAL), abi, room.state(native) if native else ""), foreign=True)
    return outside.node(env, step, [tree] if tree else [])


def inputs(env: Any, product: Product) -> tuple[results.Input, ...]:
    """The SDK as the manifest lists it."""
    settings: Settings = env["KILN_SETTINGS"]
    from kiln.sdk import real as room

    if settings.sdk:
        found = room.find(settings.sdk)
        if found.archive:
            return (outside.result(env, results.Tree, _packed(env, found.archive)).input,)
        assert found.native
        said = room.version(found.native)
        return (results.Input("sdk", "path", f"{said.version} {said.release}".strip(), stamp.digest(found.native / "oh-uni-package.json"), 0, "", pinned=False),)
    pin = pins.load(product.sdk)
    node = env.PinnedSource(product.sdk) if pin.name == STAND_IN else _unpacked(env, pin)
    return (outside.result(env, results.Tree, node).input,)
