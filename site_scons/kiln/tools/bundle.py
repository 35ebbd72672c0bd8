# SPDX-License-Identifier: Apache-2.0
"""The verb bundle: every pinned input of a product, and the Python packages of ./kiln, in one folder for mirror=DIR offline=1."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import pin as pins
from kiln import share, stamp
from kiln.errors import KilnError
from kiln.product import Product
from kiln.progress import amount, bar
from kiln.tools import sdk
from kiln.tools.settings import Settings


def names(product: Product) -> tuple[str, ...]:
    """The pins that a build of the product takes, sorted; tools for this machine are made of the stand-in SDK, whatever the board's is."""
    wanted = {product.sdk, sdk.STAND_IN, product.base.pin, product.model.pin, product.board.kernel, product.board.loader,
              *(native.pin for native in product.native.values())}
    return tuple(sorted(filter(None, wanted)))


def bundle(env: Any) -> Sequence[str]:
    """Fetch what is not in the cache, put all of it into the folder; lines that say what is in it, and what is not."""
    from kiln import fetch
    from kiln.fetch import bundle as room
    from kiln.fetch import cache as caches

    settings: Settings = env["KILN_SETTINGS"]
    product: Product = env["KILN_PRODUCT"]
    into = settings.into or settings.build / product.name / "bundle"
    room.check(into)
    pairs = []
    for name in names(product):
        wanted = pins.load(name)
        pairs.append((wanted, fetch.get(wanted, settings.cache, offline=settings.offline, mirror=settings.mirror, progress=bar)))
    put = room.put(product.name, pairs, caches.open(settings.cache), into, progress=bar)
    shown = os.path.relpath(into)
    lines = [f"{came.input.name:16} {amount(came.input.size):>10}  {came.input.version}" for _, came in pairs]
    lines += [f"bundle     {shown}: {len(pairs)} inputs, {amount(put.copied + put.kept)}, of which {amount(put.copied)} were copied now"]
    lines += [_wheels(settings, into)]
    lines += ["it holds no packages of the distribution (scons doctor lists them)" +
              (f", and no OpenHarmony tree ({product.system.tree}): give ohos=PATH" if product.system.tree else "")]
    return [*lines, f"build with it: ./kiln product={product.name} mirror={shown} offline=1"]


def _wheels(settings: Settings, into: Path) -> str:
    """The packages of requirements.txt for this Python, by their hashes, through pip itself. What cannot be had is told, not hidden."""
    from kiln import run

    wanted, folder = share.root() / "requirements.txt", into / "wheels"
    if not wanted.is_file():
        return "it holds no Python packages: only ./kiln in a checkout takes them by requirements.txt"
    key = stamp.key(stamp.digest(wanted), sys.version)
    if stamp.made(folder, key):
        return f"wheels     for Python {sys.version_info[0]}.{sys.version_info[1]}, as they were"
    if settings.offline:
        return "it holds no Python packages: offline=1 forbids to fetch them, ./kiln needs its environment made already"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        run.run([sys.executable, "-m", "pip", "download", "--require-hashes", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check",
                 "--progress-bar", "off", "-q", "-r", wanted, "-d", folder], log=settings.build / "logs" / "wheels.log")
    except KilnError as error:
        return f"it holds no Python packages: {error.what}"
    made = sorted(folder.glob("*.whl"))
    stamp.make(folder, key, made)
    return f"wheels     {len(made)} Python packages for Python {sys.version_info[0]}.{sys.version_info[1]} on this machine, {amount(sum(file.stat().st_size for file in made))}"
