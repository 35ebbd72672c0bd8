# SPDX-License-Identifier: Apache-2.0
"""Logits of `driver logits`, and how far two programs are apart: KL divergence and normalized mean square error, in double precision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy

from kiln import share
from native.stock import Stock

TEXT = share.folder("sandbox") / "model" / "heldout.txt"
WHOLE = 512


def logits(stock: Stock, model: Path, tokens: int, out: Path, *, delegate: Mapping[str, str] | None = None, piece: int = WHOLE,
           plain: bool = False, threads: int = 1) -> tuple[numpy.ndarray, str]:
    """What the model says after each of the first `tokens` of the held-out text, a row for each, `piece` a call; and the trace.

    `delegate`: with it, in this environment. `plain`: weights as they lie in the file, not repacked.
    """
    words = ("logits", model, tokens, TEXT, out, piece, *(["plain"] if plain else []))
    done = stock.run("driver", *words, env={"LLAMA_ARG_THREADS": str(threads)}) if delegate is None else stock.delegated("driver", *words, env=delegate)
    return numpy.fromfile(out, numpy.float32).astype(numpy.float64).reshape(tokens, -1), done.stderr


def _log_softmax(of: numpy.ndarray) -> numpy.ndarray:
    shifted = of - of.max(axis=1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))


def divergence(base: numpy.ndarray, of: numpy.ndarray) -> float:
    """Mean over the tokens of the KL divergence from `base`."""
    p, q = _log_softmax(base), _log_softmax(of)
    return float((numpy.exp(p) * (p - q)).sum(axis=1).mean())


def nmse(wanted: numpy.ndarray, got: numpy.ndarray) -> float:
    """Mean square of the difference over that of what was wanted."""
    return float(((got - wanted) ** 2).sum() / (wanted ** 2).sum())
