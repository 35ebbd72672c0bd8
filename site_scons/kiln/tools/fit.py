# SPDX-License-Identifier: Apache-2.0
"""The verb fit, and the header that it and the preflight judge by: of a file here, or of a pin's first megabytes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import pin as pins
from kiln.errors import Refused
from kiln.model.gguf import Header
from kiln.product import Product
from kiln.progress import bar
from kiln.tools.settings import Settings

FIRST = (1 << 20, 1 << 23, 1 << 26)    # bytes asked for in turn: most headers take 1 to 8 MiB, none more than the last


def header(product: Product, given: Path | None, settings: Settings) -> Header | None:
    """The model's header; None where the pin cannot be asked before the whole is fetched (offline). Raises KilnError."""
    from kiln.fetch.front import front
    from kiln.model import gguf
    from kiln.model.front import Short

    if given:
        return gguf.header(given)
    pin = pins.load(product.model.pin)
    for count in FIRST:
        begun = front(pin, settings.cache, count, offline=settings.offline, mirror=settings.mirror, progress=bar)
        if begun is None:
            return None
        try:
            return gguf.header(begun.path, size=begun.size or None, where=f"{pin.pin} ({pin.file})")
        except Short:
            if count == FIRST[-1] or begun.path.stat().st_size >= begun.size > 0:
                raise
    return None


def fit(env: Any) -> Sequence[str]:
    """The verb: the model against the board. Raises Refused, after the table, if it does not fit."""
    from kiln.model import budget, table
    from kiln.tools import preflight

    settings: Settings = env["KILN_SETTINGS"]
    product: Product = env["KILN_PRODUCT"]
    found = header(product, env["KILN_MODEL"], settings)
    if found is None:
        raise Refused(f"the model {product.model.pin} is not in the cache, and offline=1 forbids to ask for its header", hint="give model=PATH of it")
    room = preflight.room(product, settings)
    budget.sane(found, product)
    sys.stdout.write("\n".join(table.lines(found, product, room)) + "\n")
    made = preflight.write(budget.plan(found, product, room), settings.build / product.name)
    asked = budget.check(found, product, room)
    return ["", f"fits: {asked.context} tokens in {asked.kv_type}, {asked.slots} at once, {budget.mib(asked.free)} left; {os.path.relpath(made)}"]
