# SPDX-License-Identifier: Apache-2.0
"""What refuses a build in its first second: the configuration against itself, the model against the board."""

from __future__ import annotations

import json
from pathlib import Path

from kiln import boards, family, pin, share, stamp
from kiln.errors import FetchError, Refused
from kiln.footprint import Budget
from kiln.image import formats, place, rockchip, table
from kiln.model import budget, recipes
from kiln.model.gguf import Header
from kiln.product import Product
from kiln.tools import fit
from kiln.tools.settings import Settings


def check(product: Product, source: Path | None, settings: Settings) -> str:
    """Every check before the work, in order of cost. Gives what was found as JSON; raises at the first that says no."""
    names(product)
    found: dict[str, object] = {"product": product.name}
    if settings.base:
        _base(product, settings.base, source)
    if source is not None and not source.is_file():
        raise Refused(f"the model {source} is not there", hint="give model=PATH of a GGUF")
    header = _header(product, source, settings)
    if header is not None:
        size = room(product, settings)
        if settings.update != "recipe":              # which is measured without one, or for another model than the last
            write(budget.check(header, product, size), settings.build / product.name)
        found |= {"model": header.name, "bytes": header.size, "room": size}
    return json.dumps(found, sort_keys=True) + "\n"


def _header(product: Product, source: Path | None, settings: Settings) -> Header | None:
    """The model's header as far as it can be had now. A pin that nobody gives is the fetching step's to tell, which knows more places."""
    try:
        return fit.header(product, source, settings)
    except FetchError:
        return None


def room(product: Product, settings: Settings) -> int:
    """The bytes that the model's partition takes, or the board's storage while nobody knows its table."""
    known = _table(product, settings)
    return place.room(known, product) if known else int(product.board.emmc)


def _base(product: Product, folder: Path, source: Path | None) -> None:
    """A folder of images that cannot be baked into, before anything is fetched or compiled for it."""
    from kiln.image import base as room
    from kiln.tools import base

    if {"rkaf", "rkfw"} & set(product.image.formats):
        rockchip.loader(folder / base.TABLE)
    place.room(table.read(folder / base.TABLE), product)
    if room.raw(folder):               # else the step `base` makes them plain first
        base.suits(product, room.read(folder, key="not asked"), source)


def write(made: Budget, folder: Path) -> Path:
    """budget.json of the product: each part in bytes, and what is left. Gives the file."""
    stamp.write(folder / "budget.json", json.dumps(made.said(), sort_keys=True, indent=1) + "\n")
    return folder / "budget.json"


def names(product: Product) -> None:
    """Every name in the product is one that exists: transport, recipe, formats, pins."""
    family.load(boards, product.board.transport)
    family.load(recipes, product.model.recipe)
    for form in product.image.formats:
        family.load(formats, form)
    wanted = [product.sdk, product.board.kernel, product.board.loader, product.base.pin, product.model.pin]
    wanted += [native.pin for native in product.native.values()]
    for name in filter(None, wanted):
        pin.load(name)


def _table(product: Product, settings: Settings) -> table.Table | None:
    """The partition table as the base will have it; None while nobody knows: the step `base` checks again as soon as it has one."""
    if settings.base:
        return table.read(settings.base / "parameter.txt")
    if not product.base.sandbox:
        return None
    files = sorted((share.folder("sandbox") / product.base.sandbox).rglob("parameter.txt*"))
    return table.read(files[0])
