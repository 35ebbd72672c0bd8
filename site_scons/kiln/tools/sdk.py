# SPDX-License-Identifier: Apache-2.0
"""Sdk: the Toolchain of a product for one ABI, in build/sdk/<pin>-<key8>-<abi>."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import pin as pins
from kiln import results, share, stamp
from kiln.product import Product
from kiln.tools import boundary, outside, source
from kiln.tools.settings import Settings

REVISION = 1
HOST = {"x86_64": "x86_64", "aarch64": "arm64-v8a"}


def host_abi() -> str:
    """The ABI whose static programs run on this machine; its tools come out of the same compiler as the board's."""
    return HOST.get(platform.machine(), "x86_64")


def sdk(env: Any, product: Product, abi: str = "") -> Any:
    """The node of the Toolchain for `abi` (the board's if none is given)."""
    settings: Settings = env["KILN_SETTINGS"]
    abi = abi or product.board.abi
    nodes = env.setdefault("KILN_SDKS", {})
    if abi in nodes:
        return nodes[abi]
    with boundary.reading():
        pin = pins.load(product.sdk)
        identity = source.identity(pin)
    zig = env.PinnedSource(product.sdk)
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
