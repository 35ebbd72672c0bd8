# SPDX-License-Identifier: Apache-2.0
"""Does the model fit: its file in the partition, its weights, KV cache and buffers in the board's memory.

A first cut, from the header alone and never below the truth for dense models: the weights count once (repacked weights
replace mapped pages, which the kernel can drop), a sliding window counts as full attention.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kiln.errors import KilnError, Refused
from kiln.model import found, ggml, recipes, stock
from kiln.model.gguf import Header
from kiln.product import Product

MIB = 1 << 20
BATCH = 512                            # llama-server's physical batch (LLAMA_ARG_UBATCH)
SYSTEM_SHARE, SYSTEM_LEAST = 4, 128 * MIB   # what the system keeps: a quarter of the memory, 128 MiB at least
PROGRAM = 32 * MIB                     # the server itself, without its vocabulary
CONTEXTS = tuple(1 << n for n in range(17, 7, -1))


@dataclass(frozen=True)
class Budget:
    """What one recipe needs of one board, in bytes. `exact` is about `file`: else it is an upper bound.

    `room` is what the partition takes, `reserve` what the system and the server keep of `ram`.
    """

    recipe: str
    context: int
    kv_type: str
    file: int
    exact: bool
    room: int
    kv: int
    buffers: int
    reserve: int
    ram: int

    @property
    def memory(self) -> int:
        """Everything that must lie in memory at once."""
        return self.file + self.kv + self.buffers + self.reserve

    @property
    def fits(self) -> bool:
        """True if the file fits its partition and the rest the memory."""
        return self.file <= self.room and self.memory <= self.ram


def check(header: Header, product: Product, room: int) -> Budget:
    """The budget of the product's own recipe. Raises Refused, with the numbers and what would fit.

    `room` is the bytes that the model's partition takes.
    """
    _sane(header, product)
    asked = budget(header, product, room)
    if asked.file > room:
        raise Refused(f"the model as {asked.recipe} is {_mib(asked.file)}{'' if asked.exact else ' at most'}, its partition takes {_mib(room)}",
                      where=f"products/{product.name}.yaml", hint=_instead(header, product, room))
    if asked.memory > asked.ram:
        raise Refused(f"the model as {asked.recipe} needs {_mib(asked.memory)} of memory (weights {_mib(asked.file)}, KV cache of "
                      f"{asked.context} tokens in {asked.kv_type} {_mib(asked.kv)}, buffers {_mib(asked.buffers)}, system and server "
                      f"{_mib(asked.reserve)}), the board has {_mib(asked.ram)}",
                      where=f"products/{product.name}.yaml", hint=_instead(header, product, room))
    return asked


def budget(header: Header, product: Product, room: int) -> Budget:
    """What the product's recipe, context and KV type need. Raises ModelError for a source that the recipe cannot take."""
    predicted = _predicted(header, product)
    ram = int(product.board.ram)
    return Budget(product.model.recipe, product.model.context, product.model.kv, predicted.size, predicted.exact, room,
                  kv_bytes(header, product.model.context, product.model.kv), buffer_bytes(header, product.model.context),
                  max(SYSTEM_LEAST, ram // SYSTEM_SHARE) + program_bytes(header), ram)


def _predicted(header: Header, product: Product) -> stock.Predicted:
    """The file of a stock recipe by its rules; of one that was measured, what was measured."""
    recipe = recipes.load(product.model.recipe)
    if not recipe.found:
        return stock.predict(header, recipe)
    made = found.of(product)
    return stock.Predicted(made.size, made.types, True)


def kv_bytes(header: Header, context: int, kind: str) -> int:
    """Bytes of the KV cache: keys and values of every layer for `context` tokens (all slots together), as llama.cpp
    rounds them up to 256."""
    cells, stored = ggml.padded(context, 256), ggml.NAMED[kind.upper()]
    numbers = sum(heads * (header.head_k + header.head_v) for heads in header.heads_kv)
    return cells * (-(-numbers // stored.block)) * stored.size


def buffer_bytes(header: Header, context: int) -> int:
    """Bytes of the compute buffers, from above: activations of a whole batch, the mask of its attention, one row of logits.

    llama-server's own report for four dense models of 256 to 1024 wide: exactly 4 times the feed-forward width a token,
    2 bytes a cell of the mask and 10 KiB (flash attention on, as it is by default for f16 caches).
    """
    cells = ggml.padded(context, 256)
    batch = min(BATCH, cells)
    widest = max((tensor.shape[-1] for tensor in header.tensors if "ffn_up" in tensor.name and len(tensor.shape) == 2), default=0)
    return batch * (4 * (4 * max(widest, header.n_embd) + header.n_embd) + 2 * cells) + 4 * header.n_vocab


def program_bytes(header: Header) -> int:
    """Bytes that the server itself keeps, from above: 14 MiB were seen for 512 tokens, 12 for 64,000; merges are not measured."""
    return PROGRAM + 512 * header.n_vocab


def options(header: Header, product: Product, room: int) -> Iterator[Budget]:
    """The budget of every recipe that can be made of this model, the largest file first."""
    made = []
    for name in recipes.every():
        try:
            made.append(budget(header, _with(product, recipe=name), room))
        except KilnError:              # a quantized source has one recipe: as_is
            continue
    yield from sorted(made, key=lambda one: -one.file)


def longest(header: Header, product: Product, room: int) -> int:
    """The largest context (a power of two) that fits with the product's recipe, 0 if none."""
    most = header.context_length or CONTEXTS[0]
    tried = (size for size in CONTEXTS if size <= most)
    return next((size for size in tried if budget(header, _with(product, context=size), room).fits), 0)


def _with(product: Product, **changes: object) -> Product:
    return replace(product, model=replace(product.model, **changes))  # type: ignore[arg-type]


def _sane(header: Header, product: Product) -> None:
    at = f"products/{product.name}.yaml"
    if not (header.n_layer and header.n_embd and header.n_head and header.tensors):
        raise Refused(f"the model {header.name!r} does not say its layers, width and heads", where=at, hint="is it a language model?")
    if header.context_length and product.model.context > header.context_length:
        raise Refused(f"model.context is {product.model.context}, the model was trained for {header.context_length}",
                      where=at, hint=f"context: {header.context_length}")


def _instead(header: Header, product: Product, room: int) -> str:
    """What would fit: recipes, a shorter context, a smaller KV type; or how far the smallest is from it."""
    asked, every = budget(header, product, room), list(options(header, product, room))
    fits = [f"{one.recipe} ({_mib(one.file)})" for one in every if one.fits]
    said = [f"recipes that fit: {', '.join(fits)}"] if fits else []
    context = longest(header, product, room)
    if context and context < product.model.context:
        said.append(f"or context: {context}" if fits else f"context: {context} fits")
    for kind in ("q8_0", "q4_0"):
        if asked.memory > asked.ram and budget(header, _with(product, kv=kind), room).fits:
            said.append(f"or kv: {kind}" if said else f"kv: {kind} fits")
            break
    if not said and every:
        least = every[-1]
        said = [f"no recipe fits: the smallest, {least.recipe}, is {_mib(least.file)} and needs {_mib(least.memory)} of memory"]
    return "; ".join(said)


def _mib(size: int) -> str:
    return f"{size / MIB:.1f} MiB" if size < 100 * MIB else f"{-(-size // MIB)} MiB"
