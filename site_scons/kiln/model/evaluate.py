# SPDX-License-Identifier: Apache-2.0
"""How far a quantized model is from its source: perplexity, KL divergence and top-token agreement, by llama-perplexity.

Every figure comes with its standard error, as the tool gives it. The first half of each chunk of `context` tokens is
context only; the tool counts the second half.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln import run
from kiln.errors import ModelError

_NUMBER = r"(-?(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?|inf|nan))"
_PPL = re.compile(rf"Final estimate: PPL = {_NUMBER} \+/- {_NUMBER}")
_ROWS = {
    "ppl": re.compile(rf"Mean PPL\(Q\)\s*:\s*{_NUMBER} ±\s*{_NUMBER}"),
    "kld": re.compile(rf"Mean\s+KLD:\s*{_NUMBER} ±\s*{_NUMBER}"),
    "top1": re.compile(rf"Same top p:\s*{_NUMBER} ±\s*{_NUMBER}"),
}
TRIES = 4
LOGITS = 1 << 30                       # bytes of kept logits, at most: 2 a token and vocabulary entry


@dataclass(frozen=True)
class Figure:
    """A measured value and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Quality:
    """Against the source: perplexity, mean KL divergence (nats a token), share of tokens with the same likeliest (0..1)."""

    ppl: Figure
    kld: Figure
    top1: Figure


@dataclass(frozen=True)
class Yardstick:
    """The source's own answers on a text: its logits in `file`, and its perplexity. `chunks` of `context` tokens."""

    file: Path
    text: Path
    context: int
    chunks: int
    ppl: Figure


def yardstick(tool: Path, source: Path, text: Path, into: Path, *, context: int, vocabulary: int, log: Path, chunks: int = 0) -> Yardstick:
    """Run the source model over `text` and keep its logits in `into`, at most LOGITS bytes of them.

    `chunks` bounds the text further (0: as much as there is). Raises ModelError for a text of less than one chunk.
    """
    most = max(1, LOGITS // (2 * max(vocabulary, 1) * (context // 2 + 1)))
    wanted = min(most, chunks) if chunks else most
    done = _said((tool, "-m", source, "-f", text, "-c", str(context), "--chunks", str(wanted), "--kl-divergence-base", into), (_PPL,), log)
    found = _PPL.search(done.text)
    if not found or not into.is_file():
        raise ModelError(f"gives no perplexity: a chunk of {context} tokens is more than it holds", where=text, hint="take a longer text")
    return Yardstick(into, text, context, wanted, _figure(found))


def quality(tool: Path, model: Path, against: Yardstick, *, log: Path) -> Quality:
    """The model's figures against the yardstick. Raises ModelError where the tool says none, as for another vocabulary."""
    argv = (tool, "-m", model, "--kl-divergence-base", against.file, "--kl-divergence", "-c", str(against.context))
    done = _said(argv, tuple(_ROWS.values()), log)
    found = {name: row.search(done.text) for name, row in _ROWS.items()}
    lost = [name for name, match in found.items() if match is None]
    if lost:
        raise ModelError(f"llama-perplexity says no {', '.join(lost)}", where=model, hint=f"log: {log}")
    ppl, kld, top = (_figure(match) for match in found.values() if match)
    return Quality(ppl, kld, Figure(top.value / 100, top.error / 100))


def _said(argv: Sequence[str | Path], rows: Sequence[re.Pattern[str]], log: Path) -> run.Finished:
    """Run the tool until it says what it should: it prints through a thread that its end may overtake (seen: about 1 run in 30)."""
    for _ in range(TRIES):
        done = run.run([*argv, "-t", str(run.threads())], log=log, keep=2000)
        if all(row.search(done.text) for row in rows):
            break
    return done


def _figure(match: re.Match[str]) -> Figure:
    return Figure(float(match[1]), float(match[2]))
