# SPDX-License-Identifier: Apache-2.0
"""What a person reads of a budget: the parts against the board's memory, and every recipe with the contexts that fit."""

from __future__ import annotations

from kiln.footprint import Budget
from kiln.model import budget, memory
from kiln.model.budget import mib
from kiln.model.gguf import Header
from kiln.product import Product

BAR = 40                               # characters that stand for the board's memory


def lines(header: Header, product: Product, room: int) -> list[str]:
    """The whole answer to "does it fit": the product as it is, then everything that could be instead."""
    asked = budget.plan(header, product, room)
    shape = f"{header.architecture}, {header.n_layer} layers, {header.n_embd} wide, {header.n_head} heads, {header.n_head_kv} of them with keys"
    title = f"{header.name or 'the model'} ({shape}) on {product.name}: {mib(asked.ram)} of memory, {mib(room)} for the file"
    return [title, "", *_parts(asked), "", *_recipes(header, product, asked)]


def _parts(one: Budget) -> list[str]:
    rows = [("weights", one.weights), ("second copy of repacked weights", one.copy - one.droppable),
            (f"KV cache, {one.pool} tokens in {one.kv_type}{', shared' if one.unified else ''}", one.kv), ("compute buffers", one.compute),
            ("the server itself", one.program), ("old prompts", one.prompts), ("delegate", one.delegate), ("system", one.system),
            ("free" if one.free >= 0 else "too much", abs(one.free))]
    wide = max(len(name) for name, _ in rows)
    made = [f"{name:{wide}} {mib(size):>12}  {'#' * min(BAR, round(BAR * size / one.ram))}".rstrip() for name, size in rows if size]
    if one.droppable:
        made.append(f"resident where memory is plenty: {mib(one.resident)}, {mib(one.droppable)} of it pages of the file that the kernel may drop")
    return made


def _recipes(header: Header, product: Product, asked: Budget) -> list[str]:
    """A row a recipe: its file, what it needs as the product says, the longest context of each KV type, the speed that memory allows."""
    head = f"  {'recipe':9} {'file':>11} {'needs':>11}  fits  {'longest context: f16':>20} {'q8_0':>7} {'q4_0':>7}  {'tokens/s':>9}"
    made = [head]
    for one in budget.options(header, product, asked.room):
        good = one.fits and not 0 < one.tokens_s < product.model.speed
        longest = [budget.longest(header, product, asked.room, kind, recipe=one.recipe) or "-" for kind in memory.KV_TYPES]
        speed = f"<= {one.tokens_s:.1f}" if one.tokens_s else "unknown"
        mark = "*" if one.recipe == asked.recipe else " "
        made.append(f"{mark} {one.recipe:9} {mib(one.file):>11} {mib(one.needed):>11}  {'yes' if good else 'no':4}  {longest[0]:>20} {longest[1]:>7}"
                    f" {longest[2]:>7}  {speed:>9}")
    return [*made, "* the product's; needs: with the product's context, or the longest up to "
            f"{budget.AUTO_CONTEXT} that fits where it says auto; tokens/s: what the memory's bandwidth allows at a full context"]
