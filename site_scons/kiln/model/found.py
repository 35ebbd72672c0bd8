# SPDX-License-Identifier: Apache-2.0
"""The recipe that was found for one product: products/<product>.recipe.json, a measurement that a build applies.

Written by `scons update=recipe product=X` alone, read as hostile; beside it lies the importance matrix that the
quantizers get, products/<product>.imatrix.gguf. Both are committed: floating-point measurements of one machine do not
repeat, the bytes that a build makes of them do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kiln import share, stamp
from kiln.errors import ModelError, Refused
from kiln.model import ggml
from kiln.model.gguf import Header, Tensor
from kiln.model.stock import Recipe
from kiln.product import Product

SCHEMA = 1
# llama-quantize's word for a type when it is the one of most weights, and the number that the file then bears
BASES = {"Q4_0": ("Q4_0", 2), "Q4_1": ("Q4_1", 3), "Q8_0": ("Q8_0", 7), "Q5_0": ("Q5_0", 8), "Q5_1": ("Q5_1", 9), "Q2_K": ("Q2_K", 10),
         "Q3_K": ("Q3_K_S", 11), "Q4_K": ("Q4_K_S", 14), "Q5_K": ("Q5_K_S", 16), "Q6_K": ("Q6_K", 18), "IQ4_NL": ("IQ4_NL", 25),
         "IQ4_XS": ("IQ4_XS", 30)}
TYPES = {*BASES, "F16"}                # of one matrix; llama-quantize takes a list of types only where its base is quantized
_MOST = 1 << 22


@dataclass(frozen=True)
class Tried:
    """One recipe on the way: its name, bytes of its file, mean KL divergence from the source and its standard error; `chosen`
    is the one that the build applies."""

    recipe: str
    size: int
    kld: float
    error: float
    chosen: bool = False


@dataclass(frozen=True)
class Found:
    """What was found. `source` and `imatrix` are digests; `types` has every matrix by its name in the new file; `base` is the
    type of most weights; `dropped` are the source's layers that are left out; `tried` is for the report."""

    recipe: str
    source: str
    imatrix: str
    base: str
    types: dict[str, str]
    dropped: tuple[int, ...]
    size: int
    kld: float
    error: float
    tried: tuple[Tried, ...]
    machine: dict[str, str]

    def applied(self, about: str) -> Recipe:
        """The recipe as llama-quantize is told it."""
        tool, number = BASES[self.base]
        return Recipe(tool=tool, type=self.base, file_type=number, about=about, found=True)


def file(products: Path, product: str) -> Path:
    """Where the recipe of that product lies."""
    return products / f"{product}.recipe.json"


def matrix(products: Path, product: str) -> Path:
    """Where its importance matrix lies."""
    return products / f"{product}.imatrix.gguf"


def of(product: Product) -> Found:
    """The recipe of a product. Raises Refused, with the command that measures one, if there is none."""
    return load(file(share.folder("products"), product.name), f"products/{product.name}.recipe.json", command(product.name))


def command(product: str) -> str:
    """What a person types to have it measured."""
    return f"scons update=recipe product={product}"


def save(found: Found, into: Path) -> None:
    """Write it, one key a line so that a change can be read."""
    stamp.write(into, json.dumps({"schema": SCHEMA, **asdict(found)}, indent=1, sort_keys=True) + "\n")


def load(at: Path, shown: str, command: str) -> Found:
    """The recipe in a file; `command` is what makes it. Raises Refused if there is none, ModelError if it is not one."""
    if not at.is_file():
        raise Refused("there is no recipe yet", where=shown, hint=f"measure one: {command}")
    try:
        said = json.loads(at.read_bytes()[:_MOST])
        return _checked(said, shown, command)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(f"is no recipe: {type(error).__name__} {error}", where=shown, hint=f"make it anew: {command}") from error


def _checked(said: dict[str, Any], shown: str, command: str) -> Found:
    if said.pop("schema") != SCHEMA:
        raise ValueError(f"schema must be {SCHEMA}")
    types, dropped = said.pop("types"), said.pop("dropped")
    if not all(isinstance(name, str) and name.isprintable() and " " not in name and kind in TYPES for name, kind in types.items()):
        raise ValueError("a type that no recipe can have")
    if not all(type(layer) is int and 0 <= layer < 1 << 12 for layer in dropped) or list(dropped) != sorted(set(dropped)):
        raise ValueError("dropped must be ascending layer numbers")
    tried = tuple(Tried(**one) for one in said.pop("tried"))
    if not all(isinstance(one.recipe, str) and one.recipe.isprintable() and type(one.size) is int and one.chosen in (True, False)
               and math.isfinite(one.kld) and math.isfinite(one.error) for one in tried):
        raise ValueError("a recipe that was tried wants a name, a size, two numbers and whether it was chosen")
    made = Found(types=dict(types), dropped=tuple(dropped), tried=tried, **said)
    if made.base not in BASES or not math.isfinite(made.kld) or not isinstance(made.source, str) or not isinstance(made.size, int):
        raise ValueError("base, kld, source or size")
    return made


def fits(found: Found, header: Header, digest: str, shown: str, command: str) -> None:
    """Raise Refused for a recipe that was measured on another model, or names a matrix or row length that this one has not."""
    if found.source != digest:
        raise Refused("was measured on another model", where=shown, hint=f"measure this one: {command}")
    shapes = {name: tensor.shape for name, tensor in renamed(header, found.dropped).items()}
    for name, kind in found.types.items():
        if name not in shapes or shapes[name][0] % ggml.NAMED[kind].block:
            raise Refused(f"names {name} as {kind}, which this model does not have", where=shown, hint=f"measure this one: {command}")


def renamed(header: Header, dropped: tuple[int, ...]) -> dict[str, Tensor]:
    """The source's tensors by the names that they have once `dropped` layers are gone, as llama-quantize renumbers them."""
    made: dict[str, Tensor] = {}
    for tensor in header.tensors:
        parts = tensor.name.split(".")
        if parts[0] == "blk" and len(parts) > 2 and parts[1].isdigit():
            layer = int(parts[1])
            if layer in dropped:
                continue
            parts[1] = str(layer - sum(1 for one in dropped if one < layer))
        made[".".join(parts)] = tensor
    return made


def patterns(found: Found) -> str:
    """The text of llama-quantize's --tensor-type-file for this recipe."""
    return lines(found.types)


def lines(types: Mapping[str, str]) -> str:
    """One exact name and its type a line; the tool takes regular expressions, and the first that matches."""
    return "".join("^" + name.replace(".", "\\.") + "$=" + kind.lower() + "\n" for name, kind in sorted(types.items()))
