# SPDX-License-Identifier: Apache-2.0
"""Product: the YAML of one product as a value, and the preflight node that every other node waits for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import SCons.Action

from kiln import product as products
from kiln import share, stamp
from kiln.product import Product
from kiln.tools import base, boundary, ohos, settings


def product(env: Any, name: str = "", **given: str) -> Product:
    """The product `name` (of the command line if none is given); `given` are variables for an SConstruct of somebody else."""
    with boundary.reading():
        if "KILN_SETTINGS" not in env:
            pairs = [*given.items(), *([("product", name)] if name else [])]
            env["KILN_SETTINGS"] = settings.read(pairs, Path(env.Dir("#").get_abspath()))
        asked: settings.Settings = env["KILN_SETTINGS"]
        made = products.load(name or asked.product)
        env["KILN_PRODUCT"] = made
        env["KILN_MODEL"] = model_file(asked, made)
        env["KILN_OHOS"] = ohos.tree(asked, made)
        env["KILN_PREFLIGHT"] = _preflight(env, asked, made)
    return made


def model_file(asked: settings.Settings, made: Product) -> Path | None:
    """The GGUF that is baked, where it lies on this machine already; None when a pin brings it."""
    if asked.model:
        return asked.model
    return share.root() / made.model.path if made.model.path else None


def _preflight(env: Any, asked: settings.Settings, made: Product) -> Any:
    """What can refuse a build in its first second: a node, so that -h, -n and -q do none of it."""
    model = env["KILN_MODEL"]
    header = env.Value(f"{model} {_state(model)}" if model else made.model.pin)
    tree: Path | None = env["KILN_OHOS"]
    state = ohos.state(tree, asked.strict) if tree else ""
    given = base.identity(asked.base) if asked.base else ""
    sources = [env.Value(products.canonical(made)), header, env.Value(os.environ.get("PATH", "")), env.Value(state), env.Value(given)]
    node = env.Command(str(asked.build / made.name / "preflight.json"), sources, SCons.Action.Action(_check, None))
    env.Precious(node)
    return node


def _state(file: Path) -> str:
    try:
        found = file.stat()
        return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"
    except OSError:
        return "absent"


def _check(target: Sequence[Any], source: Sequence[Any], env: Any) -> None:
    asked: settings.Settings = env["KILN_SETTINGS"]
    made: Product = env["KILN_PRODUCT"]
    with boundary.acting(asked.build):
        from kiln.tools import preflight

        text = preflight.check(made, env["KILN_MODEL"], asked)
        tree: Path | None = env["KILN_OHOS"]
        if tree:
            ohos.check(tree, made)
            sys.stdout.write(ohos.told([ohos.compare(tree, made, asked.strict).line]))
        stamp.write(Path(target[0].get_abspath()), text)
