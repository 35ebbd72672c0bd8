# SPDX-License-Identifier: Apache-2.0
"""Which type stock llama-quantize gives each tensor, and so how large its file will be, from the header alone.

The rules are those of src/llama-quant.cpp of the pinned llama.cpp, without and with an importance matrix. For dense models they
are exact, to the byte. Where upstream decides by what we do not model (experts, Falcon, 70B), the answer is an upper
bound and says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kiln.errors import ModelError
from kiln.model import ggml
from kiln.model.gguf import Header, Tensor


@dataclass(frozen=True)
class Part:
    """Where a tensor stands: its kind (attn_v, ffn_down ...), how many of the kind came before it, of how many; `weighted` if an
    importance matrix is given."""

    kind: str
    index: int
    count: int
    grouped: int                       # query heads that share one key/value head
    weighted: bool = False

    @property
    def more_bits(self) -> bool:
        """The layers to which the M mixes give more: the first and last eighth, and every third between."""
        eighth = self.count // 8
        return self.index < eighth or self.index >= 7 * self.count // 8 or (self.index - eighth) % 3 == 2


@dataclass(frozen=True)
class Recipe:
    """How a model is made small: llama-quantize's word for it ("": copied as it is), the type that most tensors get,
    which part gets another (`choose`), the number that the file then bears (general.file_type), and what it is for."""

    tool: str
    type: str
    file_type: int
    about: str
    choose: Callable[[Part], str] | None = None
    found: bool = False                # its types stand in the product's recipe file


@dataclass(frozen=True)
class Predicted:
    """The file that a recipe will make: `size` bytes, the type of each tensor; `exact` or an upper bound."""

    size: int
    types: dict[str, str]
    exact: bool


_KINDS = ("attn_qkv", "attn_kv_b", "attn_v", "attn_k", "attn_q", "attn_output", "ffn_up", "ffn_gate", "ffn_down")
_EMBEDDINGS = ("token_embd.weight", "per_layer_token_embd.weight")
# tensor_allows_quantization: these stay as they are, as does all that has one dimension or does not end in `weight`
_KEPT = (
    "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel", "per_layer_model_proj", "ssm_conv1d",
    "shortconv.conv.weight", "indexer.k_proj.weight", "indexer.q_proj.weight", "time_mix_first.weight", "time_mix_w0.weight",
    "time_mix_w1.weight", "time_mix_w2.weight", "time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight",
    "time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight", "time_mix_g1.weight", "time_mix_g2.weight",
    "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight", "attn_rel_b.weight", ".position_embd",
    "sam.pos_embd", "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd", ".patch_merger", "a.rvq.codebook", "mm.a.code_embd",
)
_KEPT_NAMES = ("position_embd.weight", "token_types.weight")
_FALLBACK = {"Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
_70B = (68, 80)                        # layers of the models that upstream calls 70B: more bits for attn_v
_OWN_RULES = ("falcon", "glm5-next")
_SPLIT = ("split.no", "split.count", "split.tensors.count")


def predict(header: Header, recipe: Recipe, imatrix: tuple[str, str] | None = None) -> Predicted:
    """What llama-quantize will make of this model by this recipe. Raises ModelError for a source that it does not take.

    `imatrix` are the names of an importance matrix and its text as the tool is given them.
    """
    takes(header, recipe)
    if not recipe.tool:
        return Predicted(header.size, {tensor.name: tensor.type for tensor in header.tensors}, True)
    dense = header.n_expert < 2 and len(set(header.heads_kv)) <= 1
    exact = dense and header.architecture not in _OWN_RULES and header.n_layer not in _70B
    types = dict(_exact(header, recipe, bool(imatrix)) if exact else _bound(header, recipe))
    data = sum(ggml.padded(ggml.size(types[tensor.name], tensor.shape), 32) for tensor in header.tensors)
    return Predicted(head(header, imatrix) + data, types, exact)


def takes(header: Header, recipe: Recipe) -> None:
    """Raise ModelError for a source of which this recipe can make no whole model."""
    if header.splits > 1:
        raise ModelError(f"the model is one of {header.splits} parts", hint="join them: llama-gguf-split --merge FIRST WHOLE")
    if not header.tensors or not header.architecture:
        raise ModelError("the file holds no model: it has no tensors or names no architecture")
    if recipe.tool and header.quantized:
        kind = Counter(tensor.type for tensor in header.tensors if ggml.NAMED[tensor.type].quantized).most_common(1)[0][0]
        raise ModelError(f"the model is quantized already ({kind})", hint="take recipe: as_is, or give its F16 file")
    if recipe.tool and header.alignment != 32:
        raise ModelError(f"general.alignment is {header.alignment}, llama-quantize writes 32", hint="convert the model again")


def _exact(header: Header, recipe: Recipe, weighted: bool = False) -> Iterator[tuple[str, str]]:
    """Tensor by tensor in the order of llama-quantize: by layer, then by name."""
    tied = all(tensor.name != "output.weight" for tensor in header.tensors)
    kinds = Counter(kind_of(tensor.name) for tensor in header.tensors)
    values = sum(kinds[kind] for kind in ("attn_v", "attn_qkv", "attn_kv_b"))
    grouped = header.n_head // header.n_head_kv if header.n_head_kv else 1
    seen: Counter[str] = Counter()
    for tensor in sorted(header.tensors, key=_order):
        kind = kind_of(tensor.name)
        counted = "attn_v" if kind in ("attn_qkv", "attn_kv_b") else kind
        part = Part(kind, seen[counted], values if counted == "attn_v" else header.n_layer, grouped, weighted)
        if kept(tensor):
            yield tensor.name, tensor.type
            continue
        yield tensor.name, _type(tensor, recipe, part, tied)
        seen[counted] += 1


def _type(tensor: Tensor, recipe: Recipe, part: Part, tied: bool) -> str:
    wanted = recipe.type
    if not ggml.NAMED[wanted].quantized:
        return wanted
    columns = tensor.shape[0]
    if tensor.name == "output.weight" or (tied and tensor.name in _EMBEDDINGS):
        wanted = "Q8_0" if columns % ggml.NAMED[wanted].block or wanted == "Q8_0" else "Q6_K"
    elif recipe.choose:
        wanted = recipe.choose(part)
    return _fitting(wanted, columns)


def _fitting(kind: str, columns: int) -> str:
    """tensor_type_fallback: rows that are no multiple of 256 take a type of blocks of 32, odd ones F16."""
    if columns % ggml.NAMED[kind].block == 0:
        return kind
    kind = _FALLBACK.get(kind, kind)
    return kind if columns % ggml.NAMED[kind].block == 0 else "F16"


def _bound(header: Header, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """The largest type that upstream's rules can give: Q8_0 for attention, embeddings and output, else the recipe's largest."""
    for tensor in header.tensors:
        if kept(tensor) or header.architecture == "glm5-next":
            yield tensor.name, tensor.type
            continue
        kind = kind_of(tensor.name)
        every = {recipe.type} | {recipe.choose(Part(kind, i, 80, 8, weighted)) for i in range(80) for weighted in (False, True) if recipe.choose}
        if "attn" in tensor.name or tensor.name in (*_EMBEDDINGS, "output.weight"):
            every.add("Q8_0")
        fitting = {_fitting(one, tensor.shape[0]) for one in every}
        yield tensor.name, max(fitting, key=lambda one: ggml.size(one, tensor.shape))


def kept(tensor: Tensor) -> bool:
    name = tensor.name
    flat = all(side == 1 for side in tensor.shape[1:])
    return flat or not name.endswith("weight") or name in _KEPT_NAMES or any(part in name for part in _KEPT)


def kind_of(name: str) -> str:
    if name in _EMBEDDINGS or name == "output.weight":
        return name
    return next((kind for kind in _KINDS if f"{kind}.weight" in name or (kind.startswith("ffn") and kind in name)), "")


def _order(tensor: Tensor) -> tuple[int, str]:
    layer = re.match(r"blk\.(\d+)\.", tensor.name)
    return int(layer[1]) if layer else -1, tensor.name


def head(header: Header, imatrix: tuple[str, str] | None = None) -> int:
    """Bytes of the header of the new file, padded: two keys are set, those of a split go, dimensions of 1 at the end too.

    `imatrix` are the names of an importance matrix and its text as the tool was given them; it writes both down.
    """
    size = 24 + sum(span for key, span in header.spans.items() if key not in _SPLIT and not key.startswith("quantize.imatrix."))
    for key in ("general.quantization_version", "general.file_type"):
        size += 0 if key in header.spans else 8 + len(key) + 4 + 4
    if imatrix:
        size += sum(8 + len(f"quantize.imatrix.{key}") + 4 + 8 + len(text.encode()) for key, text in zip(("file", "dataset"), imatrix, strict=True))
        size += sum(8 + len(f"quantize.imatrix.{key}") + 4 + 4 for key in ("entries_count", "chunks_count"))
    for tensor in header.tensors:
        dims = max((i + 1 for i, side in enumerate(tensor.shape) if side != 1), default=1)
        size += 8 + len(tensor.name.encode()) + 4 + 8 * dims + 4 + 8
    return ggml.padded(size, 32)
