# SPDX-License-Identifier: Apache-2.0
"""Train a model on the generated corpus and write it as a GGUF in F16; no build or test runs this.

Needs, in an environment of its own: torch==2.13.0 (the CPU build), numpy==2.4.6, gguf==0.19.0.
Seeds are fixed; another CPU rounds otherwise and gives other, equally good weights, so the GGUF is committed.
"""
import argparse
import random
import time
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

import corpus
from export import export, restore
from net import SHAPES, Net
from tokens import BOS, EOS, Tokenizer, learn
from world import SEED, world

WINDOW = 256
LOOSE = -100  # cross_entropy's mark for a position that is not learned


def encode(document: corpus.Document, tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Token ids and learning targets: a question itself is not learned, its answer is, and all of a text is."""
    asked = tokenizer.encode(corpus.prompt(document.question)) if document.question else []
    said = tokenizer.encode(f" {document.answer}" if document.question else document.answer)
    return [BOS, *asked, *said, EOS], [LOOSE, *(LOOSE for _ in asked), *said, EOS]


def windows(documents: int, tokenizer: Tokenizer, seed: int = SEED, towns: float = 0) -> tuple[Tensor, Tensor]:
    """The corpus as windows of WINDOW + 1 ids, cut without regard to documents, and their targets."""
    ids: list[int] = []
    targets: list[int] = []
    for document in corpus.training(world(), documents, seed, towns):
        a, b = encode(document, tokenizer)
        ids += a
        targets += b
    keep = len(ids) // (WINDOW + 1) * (WINDOW + 1)
    return tuple(torch.tensor(x[:keep], dtype=torch.int16).view(-1, WINDOW + 1) for x in (ids, targets))


def rate(progress: float, peak: float) -> float:
    """Learning rate: a short warm-up, flat, then straight down to zero over the last 60 %."""
    return peak * min(1.0, progress / 0.02, (1 - progress) / 0.6)


def optimizer(net: Net) -> torch.optim.Optimizer:
    matrices = [p for p in net.parameters() if p.dim() == 2]
    norms = [p for p in net.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": norms, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)


@torch.no_grad()
def answer(net: Net, tokenizer: Tokenizer, question: str) -> str:
    ids = [BOS, *tokenizer.encode(corpus.prompt(question))]
    start = len(ids)
    while len(ids) < start + 16 and ids[-1] != EOS:
        ids.append(int(net(torch.tensor([ids]))[0, -1].argmax()))
    return tokenizer.decode(ids[start:-1]).strip()


def score(net: Net, tokenizer: Tokenizer, rows: list[dict[str, str]]) -> float:
    return sum(answer(net, tokenizer, row["q"]) == row["a"] for row in rows) / len(rows)


def train(net: Net, ids: Tensor, targets: Tensor, tokenizer: Tokenizer, args: argparse.Namespace) -> None:
    """One pass over the windows in a seeded order, with a line of progress and some of the card now and then."""
    opt, rows = optimizer(net), corpus.card(world())
    order, began = torch.randperm(len(ids)).split(args.batch), time.monotonic()
    sample = random.Random(SEED).sample(rows, 60)
    for step, chosen in enumerate(order):
        progress = max(step / len(order), (time.monotonic() - began) / 60 / args.minutes)
        if progress >= 1:
            break
        for group in opt.param_groups:
            group["lr"] = rate(progress, args.rate)
        x, y = ids[chosen, :-1].long(), targets[chosen, 1:].long()
        learned = y != LOOSE
        loss = F.cross_entropy(net(x, learned), y[learned])
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        if step % 100 == 0:
            print(f"{step}/{len(order)} loss {loss.item():.3f} {time.monotonic() - began:.0f} s", flush=True)
        if step % 500 == 499:
            print(f"  {score(net, tokenizer, sample):.0%} of 60 held-out questions", flush=True)
    print(f"trained in {time.monotonic() - began:.0f} s, card {score(net, tokenizer, rows):.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=corpus.DOCUMENTS, help="how many to train on (%(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="windows of 256 tokens a step (%(default)s)")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate (%(default)s)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=30, help="on a slow machine stop short, then (%(default)s)")
    parser.add_argument("--start", type=Path, help="go on from this GGUF, with documents that were not yet drawn")
    parser.add_argument("--towns", type=float, default=0, help="share of further documents about towns (%(default)s)")
    parser.add_argument("--shape", choices=SHAPES, default="tiny", help="(%(default)s)")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    if args.start:
        net, tokenizer = restore(args.start, SHAPES[args.shape])
    else:
        texts = (corpus.plain(document) for document in islice(corpus.training(world()), 40_000))
        tokenizer = Tokenizer(learn(texts))
        net = Net(len(tokenizer.vocabulary), SHAPES[args.shape])
    ids, targets = windows(args.documents, tokenizer, SEED + 5 if args.start else SEED, args.towns)
    print(f"{ids.numel()} tokens, {sum(p.numel() for p in net.parameters())} parameters", flush=True)
    train(net, ids, targets, tokenizer, args)
    export(net, tokenizer, args.out)


if __name__ == "__main__":
    main()
