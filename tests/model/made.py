# SPDX-License-Identifier: Apache-2.0
"""Small GGUF files for the tests of the model room, written by the gguf package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy


@dataclass(frozen=True)
class Shape:
    """A LLaMA-like model: what decides its tensors. `head` is the length of a head (0: width / heads), `merges` makes a BPE vocabulary."""

    layers: int = 2
    width: int = 256
    heads: int = 4
    heads_kv: int = 2
    ff: int = 512
    vocab: int = 512
    context: int = 512
    tied: bool = False
    biases: bool = False
    arch: str = "llama"
    type: str = "F16"
    live: bool = False                 # every block changes what comes out, as in a trained one; else all of it is next to nothing
    head: int = 0
    norms: bool = False                # of each head's keys and queries
    merges: int = 0
    rope_factors: int = 0

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Name and shape, row length first, as in the file."""
        w, head = self.width, self.head or self.width // self.heads
        q, kv = head * self.heads, head * self.heads_kv
        found: dict[str, tuple[int, ...]] = {"token_embd.weight": (w, self.vocab), "output_norm.weight": (w,)}
        if not self.tied:
            found["output.weight"] = (w, self.vocab)
        for i in range(self.layers):
            found |= {f"blk.{i}.attn_norm.weight": (w,), f"blk.{i}.ffn_norm.weight": (w,), f"blk.{i}.attn_q.weight": (w, q),
                      f"blk.{i}.attn_k.weight": (w, kv), f"blk.{i}.attn_v.weight": (w, kv), f"blk.{i}.attn_output.weight": (q, w),
                      f"blk.{i}.ffn_gate.weight": (w, self.ff), f"blk.{i}.ffn_up.weight": (w, self.ff),
                      f"blk.{i}.ffn_down.weight": (self.ff, w)}
            if self.arch == "glm4":    # gate and up are one matrix, each half has a norm of its own behind it
                found[f"blk.{i}.ffn_up.weight"] = (w, 2 * self.ff)
                del found[f"blk.{i}.ffn_gate.weight"]
                found |= {f"blk.{i}.post_attention_norm.weight": (w,), f"blk.{i}.post_ffw_norm.weight": (w,)}
            if self.biases:
                found |= {f"blk.{i}.attn_q.bias": (q,), f"blk.{i}.attn_k.bias": (kv,), f"blk.{i}.attn_v.bias": (kv,)}
            if self.norms:
                found |= {f"blk.{i}.attn_q_norm.weight": (head,), f"blk.{i}.attn_k_norm.weight": (head,)}
        if self.rope_factors:
            found["rope_freqs.weight"] = (self.rope_factors,)
        return found


def write(file: Path, shape: Shape = Shape(), *, sparse: bool = False, name: str = "tiny", seed: int = 1234,
          types: Mapping[str, str] | None = None) -> Path:
    """The model as a file. `sparse` writes the header only and leaves the data a hole: 8B in no time and no space.

    `types` (of a sparse file) are tensor types by name, as a recipe gives them: all weights are then zero.
    """
    writer = gguf.GGUFWriter(file, shape.arch)
    writer.add_name(name)
    writer.add_license("Apache-2.0")
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.ff)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads_kv)
    writer.add_rope_dimension_count(shape.head or shape.width // shape.heads)
    if shape.head:
        writer.add_key_length(shape.head)
        writer.add_value_length(shape.head)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(1)
    _vocabulary(writer, shape.vocab, shape.merges)
    numbers = numpy.random.Generator(numpy.random.PCG64(seed))
    small = numpy.float16 if shape.type == "F16" else numpy.float32
    total = 0
    for tensor, sides in shape.tensors.items():
        kind = numpy.dtype(numpy.float32 if len(sides) == 1 else small)
        if sparse:
            stored = gguf.GGMLQuantizationType[(types or {}).get(tensor) or ("F32" if kind.itemsize == 4 else "F16")]
            block, width = gguf.GGML_QUANT_SIZES[stored]
            size = int(numpy.prod(sides)) // block * width
            writer.add_tensor_info(tensor, sides[::-1], kind, size, raw_dtype=stored)
            total += -(-size // 32) * 32
        else:
            writer.add_tensor(tensor, (_live(numbers, tensor, sides) if shape.live else numbers.standard_normal(sides[::-1]) * 0.02).astype(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    if sparse:
        writer.write_ti_data_to_file()
        writer.close()
        with file.open("r+b") as out:
            out.seek(0, 2)
            out.truncate(-(-out.tell() // 32) * 32 + total)
    else:
        writer.write_tensors_to_file()
        writer.close()
    return file


def _live(numbers: numpy.random.Generator, tensor: str, sides: tuple[int, ...]) -> numpy.ndarray:
    """Norms of about one, products that keep the size of their input, logits of a deviation of 0.1 times the root of the width."""
    drawn = numbers.standard_normal(sides[::-1], numpy.float32)
    if tensor.endswith("norm.weight"):
        return 1 + drawn * numpy.float32(0.1)
    if tensor.endswith(".bias") or tensor in ("token_embd.weight", "output.weight"):
        return drawn * numpy.float32(0.1)
    return drawn * numpy.float32(sides[0] ** -0.5)


def _vocabulary(writer: gguf.GGUFWriter, count: int, merges: int) -> None:
    if merges:
        _pairs(writer, count, merges)
        return
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL] + [gguf.TokenType.BYTE] * 256
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    tokens += [f"\N{LOWER ONE EIGHTH BLOCK}w{i}" for i in range(count - len(tokens))]
    kinds += [gguf.TokenType.NORMAL] * (count - len(kinds))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([float(-i) for i in range(count)])
    writer.add_token_types([int(kind) for kind in kinds])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def _pairs(writer: gguf.GGUFWriter, count: int, merges: int) -> None:
    """A byte-level BPE vocabulary: 256 bytes as GPT-2 spells them, then as many words and merges as asked for."""
    spelled = [chr(i) if 33 <= i <= 126 or 161 <= i <= 172 or 174 <= i <= 255 else "" for i in range(256)]
    others = iter(range(256, 512))
    words = [text or chr(next(others)) for text in spelled]
    words += [f"w{i:06}" for i in range(count - len(words) - 1)] + ["<|end|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(words)
    writer.add_token_types([int(gguf.TokenType.NORMAL)] * (count - 1) + [int(gguf.TokenType.CONTROL)])
    writer.add_token_merges([f"w{i:05} w{i % 7}" for i in range(merges)])
    writer.add_bos_token_id(count - 1)
    writer.add_eos_token_id(count - 1)
