# SPDX-License-Identifier: Apache-2.0
"""Does the model fit: its file in the partition, what the server holds of it in the board's memory, the speed that memory allows.

From the header alone, in milliseconds (memory.py says what the server holds). What a product leaves to `auto` (context,
type of the KV cache, one cache or one a slot, memory for old prompts) is chosen here, and the service is started by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product as each

from kiln.errors import KilnError, Refused
from kiln.footprint import Budget
from kiln.model import ggml, memory, recipes, stock
from kiln.model.found import of as found_of
from kiln.model.gguf import Header
from kiln.product import Product
from kiln.spec import AUTO

MIB, GIB = 1 << 20, 1 << 30
CONTEXTS = tuple(1 << n for n in range(17, 7, -1))
AUTO_CONTEXT = 4096                    # a longer one is asked for by number: on four small cores its prompt takes a quarter of an hour
PROMPTS = 4                            # full slots that the cache of old prompts is worth holding


def check(header: Header, product: Product, room: int) -> Budget:
    """The budget of the product, what it leaves open chosen. Raises Refused, with the numbers and what would fit.

    `room` is the bytes that the model's partition takes.
    """
    sane(header, product)
    asked = plan(header, product, room)
    at = f"products/{product.name}.yaml"
    if asked.file > room:
        raise Refused(f"the model {named(asked)} is {mib(asked.file)}{'' if asked.exact else ' at most'}, its partition takes {mib(room)}",
                      where=at, hint=instead(header, product, asked))
    if not asked.fits:
        raise Refused(f"the model {named(asked)} needs {mib(asked.needed)} of memory ({parts(asked)}), the board has {mib(asked.ram)}",
                      where=at, hint=instead(header, product, asked))
    if 0 < asked.tokens_s < product.model.speed:
        raise Refused(f"the model {named(asked)} reads {mib(_read(asked, product))} for each token: at most {asked.tokens_s:.1f} tokens/s, "
                      f"and model.speed wants {product.model.speed}", where=at, hint=instead(header, product, asked))
    return asked


def plan(header: Header, product: Product, room: int) -> Budget:
    """The budget with the product's own choices, and for each that it leaves open the best that fits; the least, if nothing does."""
    last, predicted = None, _predicted(header, product, product.model.recipe)
    ways = (False,) if product.service.slots == 1 else {"auto": (False, True), "slots": (False,), "unified": (True,)}[product.service.kv]
    for context, kind in _choices(header, product):
        for unified in ways:
            last = _with_prompts(_pooled(header, product, room, context, kind, unified, predicted), product)
            if last.fits:
                return last
    assert last
    return last


def _choices(header: Header, product: Product) -> Iterator[tuple[int, str]]:
    """Context and type of the KV cache, the best first: four bits cost accuracy, so they come after every shorter context."""
    asked, kind = product.model.context, product.model.kv
    most = min(header.context_length or AUTO_CONTEXT, AUTO_CONTEXT)
    contexts = [asked] if asked != AUTO else [size for size in CONTEXTS if size <= most] or [most]
    if kind != "auto":
        yield from each(contexts, [kind])
        return
    yield from each(contexts, memory.KV_TYPES[:2])
    yield from each(contexts, memory.KV_TYPES[2:])


def _pooled(header: Header, product: Product, room: int, context: int, kind: str, unified: bool, predicted: stock.Predicted) -> Budget:
    """Slots of a cache of their own hold their whole context; those that share one hold as much as fits, one whole context at least."""
    slots = product.service.slots
    whole = budget(header, product, room, context=context, kv=kind, unified=unified, predicted=predicted)
    if not whole.unified or whole.fits:
        return whole
    step = ggml.padded(context, memory.CELLS)
    for pool in range(slots * step - memory.CELLS, step - 1, -memory.CELLS * max(1, slots * step // memory.CELLS // 64)):
        whole = budget(header, product, room, context=context, kv=kind, unified=True, pool=pool, predicted=predicted)
        if whole.fits:
            break
    return whole


def _with_prompts(made: Budget, product: Product) -> Budget:
    """Memory for old prompts, in whole MiB: half of what is left, but no more than some full slots."""
    asked = product.service.prompt_cache
    most = min(max(0, made.free) // 2, PROMPTS * made.kv // made.slots)
    return replace(made, prompts=(most if asked == AUTO else asked) // MIB * MIB)


def budget(header: Header, product: Product, room: int, *, recipe: str = "", context: int = 0, kv: str = "", unified: bool = False,
           pool: int = 0, predicted: stock.Predicted | None = None) -> Budget:
    """What one way of serving the model needs; `recipe`, `context` and `kv` instead of the product's, `predicted` what is known of
    that recipe's file already. Raises ModelError for a source that the recipe cannot take."""
    model, slots = product.model, product.service.slots
    recipe = recipe or model.recipe
    context = context or (model.context if model.context != AUTO else min(header.context_length or AUTO_CONTEXT, AUTO_CONTEXT))
    kv = kv or (model.kv if model.kv != "auto" else memory.KV_TYPES[0])
    predicted = predicted or _predicted(header, product, recipe)
    way = memory.Way(context, pool or context * slots, slots, unified, kv, True, memory.processor(product.board.abi, product.board.march))
    lies = memory.weights(header, predicted.types, way)
    ram = int(product.board.ram)
    made = Budget(recipe=recipe, context=context, slots=slots, unified=unified, pool=way.pool, kv_type=kv, mmap=way.mmap, repack=bool(way.processor),
                  file=predicted.size, exact=predicted.exact, room=room, weights=lies.used, copy=lies.copy, droppable=lies.droppable,
                  kv=memory.kv_bytes(header, way), compute=max(memory.compute_bytes(header, way), lies.staged - memory.kv_bytes(header, way)), program=memory.program_bytes(header, way), prompts=0,
                  delegate=delegate_bytes(header, product), system=keeps(product), ram=ram, tokens_s=0.0)
    read = memory.read_bytes(header, predicted.types, way)
    return replace(made, tokens_s=round(product.board.bandwidth * 1e6 / read, 2) if read else 0.0)


def _predicted(header: Header, product: Product, recipe: str) -> stock.Predicted:
    """The file of a stock recipe by its rules; of one that was measured, what was measured."""
    rules = recipes.load(recipe)
    if not rules.found:
        return stock.predict(header, rules)
    made = found_of(product)
    known = {one.name: one.type for one in header.tensors}
    return stock.Predicted(made.size, known | made.types, True)


def delegate_bytes(header: Header, product: Product) -> int:
    """What the delegate holds beside the weights: its units, up to the budget that the product gives it."""
    if "ggml-nnrt" not in product.native:
        return 0
    said = product.service.env.get("GGML_NNRT_BUDGET", "0")
    return int(said) if said.isdigit() and len(said) < 16 else 0


def keeps(product: Product) -> int:
    """What the system keeps of the memory. OpenHarmony's standard system with its desktop leaves about half of 2 GiB; nobody has
    published a measurement (hidumper --mem on the board gives one)."""
    return int(product.board.keeps) or min(int(product.board.ram) // 2, GIB)


def sane(header: Header, product: Product) -> None:
    """Raise Refused for a file that is no language model, or a context beyond its training."""
    at = f"products/{product.name}.yaml"
    if not (header.n_layer and header.n_embd and header.n_head and header.tensors):
        raise Refused(f"the model {header.name!r} does not say its layers, width and heads", where=at, hint="is it a language model?")
    if header.context_length and product.model.context > header.context_length:
        raise Refused(f"model.context is {product.model.context}, the model was trained for {header.context_length}",
                      where=at, hint=f"context: {header.context_length}")


def options(header: Header, product: Product, room: int) -> Iterator[Budget]:
    """The budget of every recipe that can be made of this model, as planned, the largest file first."""
    made = []
    for name in recipes.every():
        try:
            made.append(plan(header, _with(product, recipe=name), room))
        except KilnError:              # a quantized source has one recipe: as_is
            continue
    yield from sorted(made, key=lambda one: -one.file)


def longest(header: Header, product: Product, room: int, kv: str, *, recipe: str = "") -> int:
    """The largest context (a power of two) that fits with this type of KV cache, 0 if none."""
    most, predicted = header.context_length or CONTEXTS[0], _predicted(header, product, recipe or product.model.recipe)
    tried = (size for size in CONTEXTS if size <= most)
    return next((size for size in tried if budget(header, product, room, context=size, kv=kv, predicted=predicted).fits), 0)


def instead(header: Header, product: Product, asked: Budget) -> str:
    """What would fit: recipes, a shorter context, a smaller KV type; or how far the smallest is from it."""
    every = list(options(header, product, asked.room))
    good = [one for one in every if one.fits and one.recipe != asked.recipe and not 0 < one.tokens_s < product.model.speed]
    said = [f"recipes that fit: {', '.join(f'{one.recipe} ({mib(one.file)})' for one in good)}"] if good else []
    slower = 0 < asked.tokens_s < product.model.speed
    context = 0 if slower else longest(header, product, asked.room, asked.kv_type)
    if context and context < asked.context:
        said.append(f"or context: {context}" if said else f"context: {context} fits")
    for kind in () if slower or asked.fits else memory.KV_TYPES[1:]:
        if memory.KV_TYPES.index(kind) > memory.KV_TYPES.index(asked.kv_type) and \
                budget(header, product, asked.room, context=asked.context, kv=kind).fits:
            said.append(f"or kv: {kind}" if said else f"kv: {kind} fits")
            break
    if not said and every:
        least = every[-1]
        said = [f"no recipe fits: the smallest, {least.recipe}, is {mib(least.file)} and needs {mib(least.needed)} of memory"
                + (f", at most {least.tokens_s:.1f} tokens/s" if slower else "")]
    return "; ".join(said)


def named(one: Budget) -> str:
    """The recipe in a sentence."""
    return "as it is" if one.recipe == "as_is" else f"as {one.recipe}"


def parts(one: Budget) -> str:
    """The parts of a budget in words."""
    kept = f"KV cache of {one.pool} tokens in {one.kv_type} {mib(one.kv)}"
    rows = [f"weights {mib(one.weights)}", kept, f"buffers {mib(one.compute)}", f"server {mib(one.program)}"]
    rows += [f"second copy of repacked weights {mib(one.copy - one.droppable)}"] if one.copy > one.droppable else []
    rows += [f"old prompts {mib(one.prompts)}"] if one.prompts else []
    rows += [f"delegate {mib(one.delegate)}"] if one.delegate else []
    return ", ".join([*rows, f"system {mib(one.system)}"])


def _read(one: Budget, product: Product) -> int:
    return round(product.board.bandwidth * 1e6 / one.tokens_s)


def _with(product: Product, **changes: object) -> Product:
    return replace(product, model=replace(product.model, **changes))  # type: ignore[arg-type]


def mib(size: int) -> str:
    """Bytes as MiB, for a person."""
    return f"{size / MIB:.1f} MiB" if size < 100 * MIB else f"{-(-size // MIB)} MiB"
