# SPDX-License-Identifier: Apache-2.0
"""Two commands in turn, and the ratio of their times pair by pair: a speed that a busy machine does not blur much."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable


def pairs(ours: Callable[[], object], known: Callable[[], object], *, runs: int = 5, before: Callable[[], object] = lambda: None) -> str:
    """Run `ours` and `known` in turn, once uncounted and `runs` times counted; gives one line: seconds and ratio, median (range).

    `before` runs before each of them and is not timed.
    """
    _timed(ours, before), _timed(known, before)
    times = [(_timed(ours, before), _timed(known, before)) for _ in range(runs)]
    ratios = [one / two for one, two in times]
    a, b = (statistics.median(column) for column in zip(*times, strict=True))
    return f"{a:.2f} s against {b:.2f} s: {statistics.median(ratios):.2f} times ({min(ratios):.2f} to {max(ratios):.2f}, {runs} pairs)"


def _timed(work: Callable[[], object], before: Callable[[], object]) -> float:
    before()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peak() -> float:
    """The most memory that this process or a child of it ever held, in MB: other tests' too, so an upper bound."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * 1024 / 1e6
