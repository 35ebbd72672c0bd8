# SPDX-License-Identifier: Apache-2.0
"""The network: a LLaMA of four layers in plain PyTorch, with the rotary layout that ggml expects.

Each row is a multiple of 256 long, so every K-quant fits; rotary pairs are neighbors (2i, 2i+1), so the export
permutes nothing; the output shares its weights with the embedding.
"""
import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, LAYERS, HEADS, HIDDEN, CONTEXT = 256, 4, 4, 768, 512
ROPE_BASE, EPSILON = 10000.0, 1e-5


def angles(length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines, [length, head size / 2] each."""
    size = WIDTH // HEADS
    turns = torch.outer(torch.arange(length).float(), ROPE_BASE ** (-torch.arange(0, size, 2).float() / size))
    return turns.cos(), turns.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn neighboring pairs of x, [batch, head, time, head size]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn_norm, self.ffn_norm = (nn.RMSNorm(WIDTH, eps=EPSILON) for _ in range(2))
        self.attn_q, self.attn_k, self.attn_v, self.attn_output = (
            nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.ffn_gate, self.ffn_up = (nn.Linear(WIDTH, HIDDEN, bias=False) for _ in range(2))
        self.ffn_down = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, time, _ = x.shape
        h = self.attn_norm(x)
        q, k, v = (f(h).view(batch, time, HEADS, -1).transpose(1, 2) for f in (self.attn_q, self.attn_k, self.attn_v))
        mixed = F.scaled_dot_product_attention(rotate(q, cos, sin).to(v), rotate(k, cos, sin).to(v), v, is_causal=True)
        x = x + self.attn_output(mixed.transpose(1, 2).reshape(batch, time, WIDTH))
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))


class Net(nn.Module):
    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.token_embd = nn.Embedding(vocabulary, WIDTH)
        self.blk = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.output_norm = nn.RMSNorm(WIDTH, eps=EPSILON)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                deep = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(weight, std=0.02 if not deep else 0.02 / (2 * LAYERS) ** 0.5)

    def forward(self, ids: Tensor, wanted: Tensor | slice = slice(None)) -> Tensor:
        """Logits, [batch, time, vocabulary], of token ids, [batch, time]; or of the positions that a mask wants."""
        cos, sin = angles(ids.shape[1])
        x = self.token_embd(ids)
        for layer in self.blk:
            x = layer(x, cos, sin)
        return F.linear(self.output_norm(x[wanted]), self.token_embd.weight)
