# SPDX-License-Identifier: Apache-2.0
"""One choice a matrix, the least expected loss within so many bytes: a multiple-choice knapsack.

Solved by dynamic programming over the room in STEPS steps, sizes rounded up so that no answer is too large; what the
rounding left is then spent by steps and exchanges that lower the loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STEPS = 8192


@dataclass(frozen=True)
class Option:
    """One way to store one matrix: its bytes and its expected loss."""

    kind: str
    size: int
    loss: float


def choose(options: Mapping[str, Sequence[Option]], room: int) -> dict[str, str] | None:
    """The kind of each matrix, all together at most `room` bytes; None if even the smallest do not fit."""
    fronts = {name: _front(every) for name, every in options.items()}
    spare = room - sum(front[0].size for front in fronts.values())
    if spare < 0:
        return None
    at = _solved(fronts, spare)
    spare -= sum(fronts[name][i].size - fronts[name][0].size for name, i in at.items())
    while (move := _better(fronts, at, spare)) is not None:
        changes, delta = move
        at.update(changes)
        spare -= delta
    return {name: fronts[name][i].kind for name, i in at.items()}


def _front(every: Sequence[Option]) -> list[Option]:
    """The options that no other beats in both bytes and loss, smallest first."""
    made: list[Option] = []
    for one in sorted(every, key=lambda option: (option.size, option.loss)):
        if not made or (one.loss < made[-1].loss and one.size > made[-1].size):
            made.append(one)
    return made


def _solved(fronts: Mapping[str, Sequence[Option]], spare: int) -> dict[str, int]:
    """Which option of each matrix, by dynamic programming over what may be spent above the smallest ones."""
    import numpy

    unit = max(1, -(-spare // STEPS))
    width = spare // unit + 1
    least, taken = numpy.zeros(width), []
    for front in fronts.values():
        best, choice = numpy.full(width, numpy.inf), numpy.zeros(width, numpy.int16)
        for number, option in enumerate(front):
            cost = -(-(option.size - front[0].size) // unit)
            if cost >= width:
                break
            tried = numpy.full(width, numpy.inf)
            tried[cost:] = least[:width - cost] + option.loss
            better = tried < best
            best[better], choice[better] = tried[better], number
        least = best
        taken.append(choice)
    at, left = {}, width - 1
    for (name, front), choice in zip(reversed(list(fronts.items())), reversed(taken), strict=True):
        at[name] = int(choice[left])
        left -= -(-(front[at[name]].size - front[0].size) // unit)
    return {name: at[name] for name in fronts}


def _better(fronts: Mapping[str, Sequence[Option]], at: Mapping[str, int], spare: int) -> tuple[dict[str, int], int] | None:
    """The step up, or exchange of one matrix up and one down, that lowers the loss most and fits: the changes and their bytes."""
    best, gain = None, 0.0
    downs = [({}, 0, 0.0), *(({name: i - 1}, fronts[name][i].size - fronts[name][i - 1].size, fronts[name][i - 1].loss - fronts[name][i].loss)
                             for name, i in at.items() if i)]
    for up, i in at.items():
        for j in range(i + 1, len(fronts[up])):
            more, less = fronts[up][j].size - fronts[up][i].size, fronts[up][i].loss - fronts[up][j].loss
            for down, freed, worse in downs:
                if up not in down and more <= spare + freed and less - worse > gain * (1 + 1e-9):
                    best, gain = ({**down, up: j}, more - freed), less - worse
    return best
