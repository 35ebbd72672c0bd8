# SPDX-License-Identifier: Apache-2.0
"""What llama-server will hold in memory for a model, part by part, from the model's header alone.

Read off the pinned llama.cpp (src/llama-model-loader.cpp, llama-kv-cache.cpp, ggml-cpu/repack.cpp) and held against its
own report and the peak of its resident memory: tests/model/test_memory.py, docs/measured.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kiln.model import ggml
from kiln.model.gguf import Array, Header, Tensor

MIB = 1 << 20
BATCH = 512                            # llama-server's physical batch (LLAMA_ARG_UBATCH)
CELLS = 256                            # the KV cache grows in steps of so many tokens
KV_TYPES = ("f16", "q8_0", "q4_0")
# Which types ggml-cpu stores a second time in an order of its own, by what the processor has, and the multiple that the rows must be.
REPACKED = {
    "dotprod": {"Q4_0": 4, "Q4_K": 8, "Q5_K": 8, "Q6_K": 8, "Q8_0": 4, "IQ4_NL": 4, "MXFP4": 4, "Q1_0": 4},
    "avx2": {"Q4_0": 8, "Q4_K": 8, "IQ4_NL": 8, "MXFP4": 8},
    "": {},
}
_LOOKED_UP = ("token_embd.weight", "per_layer_token_embd.weight", "position_embd.weight", "token_types.weight")


@dataclass(frozen=True)
class Way:
    """How the server will be started: tokens of one slot and of all (`pool`), the type of the KV cache, how the file is loaded.

    `processor` is a key of REPACKED, "" also where repacking is switched off.
    """

    context: int
    pool: int
    slots: int = 1
    unified: bool = False
    kv: str = "f16"
    mmap: bool = True
    processor: str = "dotprod"


@dataclass(frozen=True)
class Weights:
    """The tensors in memory: `used` is what is computed with, `copy` what lies there a second time, of which the kernel may
    take back `droppable` (pages of the file); `staged` is the buffer that a repacked tensor is read into without mmap."""

    used: int
    copy: int
    droppable: int
    staged: int


def processor(abi: str, march: str) -> str:
    """The column of REPACKED that a board's compiler flags mean."""
    if abi == "x86_64":
        return "avx2"
    return "dotprod" if abi == "arm64-v8a" and ("+dotprod" in march or "+i8mm" in march) else ""


def weights(header: Header, types: Mapping[str, str], way: Way) -> Weights:
    """Where the tensors of a file with these types lie."""
    sizes = {one.name: ggml.size(types[one.name], one.shape) for one in header.tensors}
    again = {one.name: sizes[one.name] for one in header.tensors if _repacks(one, types[one.name], header, way.processor)}
    whole = sum(sizes.values())
    # A tied matrix is looked up in the file's order and multiplied in the other.
    tied = sum(size for name, size in again.items() if name in _LOOKED_UP)
    if way.mmap:
        return Weights(whole, sum(again.values()), sum(again.values()), 0)
    return Weights(whole, tied, 0, max(again.values(), default=0))


def _repacks(tensor: Tensor, kind: str, header: Header, processor: str) -> bool:
    rows = REPACKED[processor].get(kind)
    sides = [side for side in tensor.shape if side != 1]
    if rows is None or not tensor.name.endswith(".weight") or len(sides) < 2 or tensor.shape[1] % rows:
        return False
    if tensor.name in _LOOKED_UP:
        return tensor.name == _LOOKED_UP[0] and tied(header)
    return len(sides) == 2 or "_exps" in tensor.name


def tied(header: Header) -> bool:
    """Whether the token embedding is the output matrix too."""
    return all(one.name != "output.weight" for one in header.tensors)


def cells(way: Way) -> int:
    """Tokens that the KV cache holds: of each slot rounded up, or of all together."""
    return ggml.padded(way.pool, CELLS) if way.unified else way.slots * ggml.padded(max(1, way.pool // way.slots), CELLS)


def kv_bytes(header: Header, way: Way) -> int:
    """Bytes of the KV cache: keys and values of every layer. A sliding window counts as full attention."""
    stored = ggml.NAMED[way.kv.upper()]
    each = sum(-(-heads * length // stored.block) * stored.size for heads in header.heads_kv for length in (header.head_k, header.head_v))
    return cells(way) * each


def compute_bytes(header: Header, way: Way) -> int:
    """Bytes of the compute buffers: activations of a whole batch, the mask of its attention, a row of logits for each slot.

    llama-server's own report for ten shapes, one to eight slots, 256 to 16,384 tokens, flash attention on (as it is wherever the
    processor can): for f16 caches exactly three times the feed-forward width and four times the model's, 2 bytes a cell of the
    mask and 10 KiB. Up to 12 % less where the cache is quantized or the model has two layers.
    """
    seen = cells(way) if way.unified else cells(way) // way.slots
    batch = min(BATCH, cells(way))
    up = max((one.shape[-1] for one in header.tensors if "ffn_up" in one.name and len(one.shape) == 2), default=0)
    wide = max(3 * up + 4 * header.n_embd, 6 * header.n_head * header.head_k)
    return batch * (4 * wide + 2 * seen) + 10240 + 4 * header.n_vocab * way.slots


def read_bytes(header: Header, types: Mapping[str, str], way: Way) -> int:
    """Bytes that one generated token reads at the end of its context: every matrix that it is multiplied with, and its keys and values."""
    used, experts = _whole(header, "expert_used_count"), header.n_expert
    total = 0
    for one in header.tensors:
        if one.name in _LOOKED_UP and not (one.name == _LOOKED_UP[0] and tied(header)):
            continue
        size = ggml.size(types[one.name], one.shape)
        total += size * used // experts if experts > 1 and used and "_exps" in one.name else size
    return total + kv_bytes(header, Way(way.context, way.context, kv=way.kv))


def _whole(header: Header, key: str) -> int:
    value = header.metadata.get(f"{header.architecture}.{key}", 0)
    return value if isinstance(value, int) else 0


def program_bytes(header: Header, way: Way) -> int:
    """Bytes that the server itself keeps: its code, its vocabulary as text, pieces and merges, and what a slot samples from.

    Of ten shapes with 1,024 to 151,936 tokens and up to 280,147 merges: 12.5 MiB without a vocabulary, 140 to 190 bytes a token, 130 a merge.
    """
    merges = header.metadata.get("tokenizer.ggml.merges")
    count = merges.count if isinstance(merges, Array) else 0
    return 14 * MIB + (200 + 16 * way.slots) * header.n_vocab + 150 * count
