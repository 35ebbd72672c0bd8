# SPDX-License-Identifier: Apache-2.0
"""Demos: the programs that the verb `demo` sends to a board, built for it; and the verb."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import results, share
from kiln.errors import Refused
from kiln.product import Native, Product
from kiln.tools import native as native_step
from kiln.tools import sdk as sdk_step
from kiln.tools.settings import Settings

CLIENT, NNRT = "ms-client", "nnrt-demo"
# The headers for an SDK that has none: those of the miniature tree, whose ABI is the real one (tests/system/test_lite.py).
_HEADERS = "ohos/third_party/mindspore/mindspore-src/source/mindspore/lite/include/c_api"


def demos(env: Any, product: Product, sdk: Any) -> list[Any]:
    """The nodes of the Artifacts of the client of MindSpore Lite and of NNRt's demo; no image holds them.

    Both load libraries of the base, so they are of its userland's ABI: 32-bit on the DAYU200's stock system.
    """
    if product.userland != product.board.abi:
        sdk = sdk_step.sdk(env, product, product.userland)
    headers = {"mindspore": share.folder("sandbox") / _HEADERS}
    return [native_step.ours(env, product, CLIENT, Native(install="", path=f"native/{CLIENT}"), sdk, headers=headers),
            native_step.ours(env, product, NNRT, Native(install="", path=f"native/{NNRT}"), sdk)]


def asked(env: Any) -> None:
    """What the command line says of `demo`, before anything is built. Raises Refused if that is nothing, both, or a file that is not there."""
    from kiln.judge import demo as judge

    settings: Settings = env["KILN_SETTINGS"]
    if settings.ms and settings.demo:
        raise Refused("ms= and demo= are two demos", hint="give one of them")
    if not settings.ms and not settings.demo:
        raise Refused("demo wants to know what", hint="ms=MODEL.ms runs a model through MindSpore Lite, demo=nnrt an Add and an FFN on NNRt")
    judge.files(settings.ms)


def demo(env: Any) -> Sequence[str]:
    """The verb: send the program and its files, run it, give what it printed."""
    from kiln.judge import demo as judge
    from kiln.tools import board

    settings, product = env["KILN_SETTINGS"], env["KILN_PRODUCT"]
    _suits(settings, product)
    with board.booted(env) as reached:
        judge.wait(reached, product.check.boot_timeout)
        lines = judge.run(reached, _program(settings, product, CLIENT if settings.ms else NNRT), settings.ms)
        reached.poweroff()
    return lines


def _suits(settings: Settings, product: Product) -> None:
    """Raise Refused for programs that the base's userland could not run."""
    found = results.load(results.Base, settings.build / product.name / "base" / results.NAME).abi
    if found != product.userland:
        raise Refused(f"the demos are programs for {product.userland}, the base has a userland of {found}: it would not run them",
                      where=f"products/{product.name}.yaml: system.abi", hint="take the product for such a base: rk3568 is for a 32-bit one, rk3568-arm64 for 64 bits")


def _program(settings: Settings, product: Product, name: str) -> Path:
    made = results.load(results.Artifacts, settings.build / product.name / "native" / name / "out" / results.NAME)
    return made.items[0].file
