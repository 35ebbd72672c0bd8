# SPDX-License-Identifier: Apache-2.0
"""The recipes: file name = `model.recipe` of a product. Each member holds one value, RECIPE."""

from __future__ import annotations

import sys

from kiln import family
from kiln.model.stock import Recipe


def load(name: str) -> Recipe:
    """The recipe of that name. Raises Refused, listing the known ones."""
    made: Recipe = family.load(sys.modules[__name__], name).RECIPE
    return made


def every() -> dict[str, Recipe]:
    """All recipes by name, sorted."""
    return {name: load(name) for name in family.names(sys.modules[__name__])}
