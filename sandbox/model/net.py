# SPDX-License-Identifier: Apache-2.0
"""The networks: LLaMA-like transformers in plain PyTorch, with the rotary layouts that ggml expects; the output shares its weights
with the embedding, and tensors bear ggml's names.

TINY has rows that are all a multiple of 256 long, so every K-quant fits; NARROW has rows that are multiples of 32 only, grouped keys
and values and biases on all three projections, as Qwen2.5 0.5B has, so llama-quantize falls back to other types.
"""
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONTEXT, ROPE_BASE, EPSILON = 512, 10000.0, 1e-5


@dataclass(frozen=True)
class Shape:
    """What decides a net; `arch` is llama.cpp's, qwen2 turns pairs half a head apart, llama neighbors."""

    name: str
    arch: str
    width: int
    layers: int
    heads: int
    heads_kv: int
    hidden: int
    biases: bool

    @property
    def head(self) -> int:
        return self.width // self.heads


TINY = Shape("Kiln Tiny", "llama", 256, 4, 4, 4, 768, False)
NARROW = Shape("Kiln Narrow", "qwen2", 160, 4, 5, 1, 288, True)
SHAPES = {"tiny": TINY, "narrow": NARROW}


def angles(length: int, size: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines, [length, head size / 2] each."""
    turns = torch.outer(torch.arange(length).float(), ROPE_BASE ** (-torch.arange(0, size, 2).float() / size))
    return turns.cos(), turns.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor, neighbors: bool) -> Tensor:
    """Turn pairs of x, [batch, head, time, head size]: neighbors, or the two halves of a head."""
    if neighbors:
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), -1)


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape, width, kv = shape, shape.width, shape.heads_kv * shape.head
        self.attn_norm, self.ffn_norm = (nn.RMSNorm(width, eps=EPSILON) for _ in range(2))
        self.attn_q, self.attn_k, self.attn_v = (nn.Linear(width, out, bias=shape.biases) for out in (width, kv, kv))
        self.attn_output = nn.Linear(width, width, bias=False)
        self.ffn_gate, self.ffn_up = (nn.Linear(width, shape.hidden, bias=False) for _ in range(2))
        self.ffn_down = nn.Linear(shape.hidden, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        (batch, time, width), shape = x.shape, self.shape
        h, neighbors = self.attn_norm(x), shape.arch == "llama"
        q, k, v = (f(h).view(batch, time, -1, shape.head).transpose(1, 2) for f in (self.attn_q, self.attn_k, self.attn_v))
        q, k = (rotate(one, cos, sin, neighbors).to(v) for one in (q, k))
        k, v = (one.repeat_interleave(shape.heads // shape.heads_kv, 1) for one in (k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_output(mixed.transpose(1, 2).reshape(batch, time, width))
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))


class Net(nn.Module):
    def __init__(self, vocabulary: int, shape: Shape = TINY) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(vocabulary, shape.width)
        self.blk = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.width, eps=EPSILON)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                deep = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(weight, std=0.02 if not deep else 0.02 / (2 * shape.layers) ** 0.5)
            elif name.endswith(".bias"):
                nn.init.zeros_(weight)

    def forward(self, ids: Tensor, wanted: Tensor | slice = slice(None)) -> Tensor:
        """Logits, [batch, time, vocabulary], of token ids, [batch, time]; or of the positions that a mask wants."""
        cos, sin = angles(ids.shape[1], self.shape.head)
        x = self.token_embd(ids)
        for layer in self.blk:
            x = layer(x, cos, sin)
        return F.linear(self.output_norm(x[wanted]), self.token_embd.weight)
