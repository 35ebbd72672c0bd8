# SPDX-License-Identifier: Apache-2.0
"""VirtualBoard: the initial RAM disk that the virtual board boots with; and the verbs that need a board."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import results, share, stamp
from kiln.product import Product
from kiln.tools import outside
from kiln.tools.settings import Settings

REVISION = 1


def virtual_board(env: Any, product: Product, sdk: Any) -> Any:
    """The node of the initial RAM disk: the sandbox's init, made with the product's own compiler, and the kernel's modules."""
    settings: Settings = env["KILN_SETTINGS"]
    folder = settings.build / product.name / "board"
    kernel = env.PinnedSource(product.board.kernel)
    template = share.folder("sandbox") / "board"

    def make(key: str) -> Sequence[Path]:
        from kiln import initrd, run

        log = run.rotate(settings.build / product.name / "logs" / "board.log")
        made = initrd.prepare(template, outside.result(env, results.Toolchain, sdk), outside.result(env, results.Tree, kernel),
                              folder, log=log)
        results.save(made, folder)
        return [made.initrd]

    def inputs() -> Sequence[str]:
        return outside.result(env, results.Toolchain, sdk).key, outside.result(env, results.Tree, kernel).input.sha256

    step = outside.Step("board", "the virtual board's init and modules", folder, make, inputs,
                        (str(REVISION), stamp.digest_tree(template)))
    return outside.node(env, step, [kernel, sdk])


def check(env: Any) -> Sequence[str]:
    """The verb: boot, ask, judge."""
    raise NotImplementedError


def chat(env: Any) -> Sequence[str]:
    """The verb: boot and talk."""
    raise NotImplementedError
