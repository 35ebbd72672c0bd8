# SPDX-License-Identifier: Apache-2.0
"""Check: wait for a booted board, ask it, measure it, judge it, and write the `check` block of its card.

The questions that the product lists must all be answered as the card says, word for word. So must one more, drawn from
the rest of the card, so that canned answers cannot pass; the model misses 3 of those 224, therefore one that is missed
is followed by a second (one check in 8000 then fails by chance, instead of one in 75), and each is on the card.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from kiln.errors import BoardError, KilnError, ModelError, one_line
from kiln.judge import card, units
from kiln.judge.ask import Answer, Server
from kiln.judge.card import Question
from kiln.product import Product
from kiln.results import BoardFacts, ServiceStatus

ANY = ""                               # the answer of a question that only asks whether there is one
DRAWN = 2
PAUSE = 0.05


class Judged(Protocol):
    """What we need of a board (kiln.boards.Board has it)."""

    @property
    def url(self) -> str: ...
    @property
    def up(self) -> bool: ...
    @property
    def facts(self) -> BoardFacts: ...
    def seconds(self) -> float: ...
    def watch(self) -> None: ...
    def failure(self, what: str) -> BoardError: ...
    def console_tail(self, lines: int) -> list[str]: ...
    def status(self, service: str) -> ServiceStatus: ...
    def poweroff(self) -> None: ...


@dataclass(frozen=True)
class Chosen:
    """What will be asked: `fixed` by the product, `drawn` by `seed`."""

    fixed: tuple[Question, ...]
    drawn: tuple[Question, ...]
    seed: int


@dataclass(frozen=True)
class Asked:
    """One question, the answer wanted and the one that came."""

    q: str
    want: str
    got: str
    ok: bool
    drawn: bool = False


@dataclass(frozen=True)
class CheckResult:
    """What a check found. Seconds are since power-on (of a board that ran before: since we came); rates are tokens a second, the median over the answers."""

    at: str
    ok: bool
    boot_s: float
    first_answer_s: float
    rss_bytes: int
    prompt_tokens_s: float
    tokens_s: float
    seed: int
    answers: tuple[Asked, ...]
    units: int = 0                     # of the delegate, that computed something while we asked

    @property
    def right(self) -> int:
        """How many answers are right."""
        return sum(one.ok for one in self.answers)

    @property
    def lines(self) -> tuple[str, ...]:
        """For a person: each question with its answer, then what was counted and measured."""
        return (*(f"  {_verdict(one):14} {one.q} -> {one_line(one.got, 120)}" for one in self.answers),
                f"{_counted(self.answers)} are right (seed {self.seed}); ready after {self.boot_s:.1f} s, "
                f"first answer after {self.first_answer_s:.1f} s, {self.tokens_s:.0f} tokens/s, {self.rss_bytes / (1 << 20):.0f} MiB resident"
                + f"; {self.units} units on NNRt" * bool(self.units))


def choose(product: Product, file: Path) -> Chosen:
    """The questions of a check, before anything is booted: for a model without a card, one to which any words are right.

    Raises ModelError for an id that the card lacks.
    """
    if not product.model.card:
        return Chosen((), (Question("any", "Say hello.", ANY),), product.check.seed or 1)
    fixed = card.questions(file, product.check.ask) if product.check.ask else ()
    rest = [one for one in card.questions(file) if one not in fixed]
    seed = product.check.seed or 1 + secrets.randbelow((1 << 31) - 1)
    if len(fixed) + len(rest) < product.check.min_correct or not rest:
        raise ModelError(f"holds too few questions for check.min_correct {product.check.min_correct}", where=file)
    wanted = max(DRAWN, product.check.min_correct - len(fixed))
    return Chosen(fixed, tuple(random.Random(seed).sample(rest, min(wanted, len(rest)))), seed)


def check(product: Product, board: Judged, chosen: Chosen, *, into: Path, manifest: Path) -> CheckResult:
    """Judge a board that was just switched on, and switch it off. Raises BoardError if it does not come up or is wrong."""
    server = Server(board.url)
    boot = wait(board, server, product.check.boot_timeout)
    delegated: dict[str, dict[str, object]] = {}
    units.read(board.console_tail(units.LINES), delegated)
    asked, answers, first = _ask(board, server, product, chosen)
    board.watch()                      # takes in what the console said meanwhile
    units.read(board.console_tail(units.LINES), delegated)
    status = board.status(product.service.name)
    board.poweroff()
    result = CheckResult(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), _passes(product, asked), round(boot, 2), round(first, 2),
                         status.peak, _middle([one.prompt_rate for one in answers]), _middle([one.rate for one in answers]),
                         chosen.seed, tuple(asked), sum(unit["used"] is True for unit in delegated.values()))
    if delegated:
        card.write(into, "units", list(delegated.values()), product=product.name, manifest=manifest, board=board.facts)
    card.write(into, "check", {**asdict(result), "asked": len(asked), "right": result.right},
               product=product.name, manifest=manifest, board=board.facts)
    if not result.ok:
        raise wrong(product, result)
    return result


def wait(board: Judged, server: Server, timeout: float) -> float:
    """Wait until the service answers; gives the seconds since power-on. Raises BoardError with the last console lines."""
    while True:
        board.watch()
        if board.up and server.healthy():
            return board.seconds()
        if board.seconds() > timeout:
            raise board.failure(f"the board does not answer within {timeout:.0f} s (check.boot_timeout)")
        time.sleep(PAUSE)


def wrong(product: Product, result: CheckResult) -> BoardError:
    """The error of a check that failed: what was asked, wanted and said."""
    bad = [f"{one.q!r}: wanted {one.want!r}, got {one_line(one.got, 80)!r}" for one in result.answers if not one.ok]
    return BoardError(f"{_counted(result.answers)} are right; the product wants {product.check.min_correct}, every listed one and one drawn "
                      f"by seed {result.seed}: {'; '.join(bad) or 'too few were asked'}")


def same(want: str, got: str) -> bool:
    """Equal word for word; only the blanks around and between words do not count. For ANY some words must be there."""
    return bool(got.split()) if want == ANY else want.split() == got.split()


def _ask(board: Judged, server: Server, product: Product, chosen: Chosen) -> tuple[list[Asked], list[Answer], float]:
    """The fixed questions, then drawn ones until one is right and enough were asked."""
    asked: list[Asked] = []
    answers: list[Answer] = []
    first = 0.0
    least = product.check.min_correct - len(chosen.fixed)
    for question, drawn in [*((one, False) for one in chosen.fixed), *((one, True) for one in chosen.drawn)]:
        extra = [one for one in asked if one.drawn]
        if drawn and len(extra) >= least and any(one.ok for one in extra):
            break
        answers.append(_answer(board, server, question))
        first = first or board.seconds()
        asked.append(Asked(question.q, question.a, one_line(answers[-1].text, 1000), same(question.a, answers[-1].text), drawn))
    return asked, answers, first


def _answer(board: Judged, server: Server, question: Question) -> Answer:
    try:
        return server.chat([{"role": "user", "content": question.q}])
    except KilnError as error:
        board.watch()
        raise board.failure(f"no answer to {question.q!r}: {error}") from error


def _passes(product: Product, asked: Sequence[Asked]) -> bool:
    drawn = [one.ok for one in asked if one.drawn]
    return sum(one.ok for one in asked) >= product.check.min_correct and all(one.ok for one in asked if not one.drawn) and any(drawn)


def _verdict(one: Asked) -> str:
    """A drawn question is one that the model was not proven to know: the next is drawn."""
    return "right" + " (drawn)" * one.drawn if one.ok else "missed (drawn)" if one.drawn else "WRONG"


def _counted(answers: Sequence[Asked]) -> str:
    listed, drawn = [one.ok for one in answers if not one.drawn], [one.ok for one in answers if one.drawn]
    return f"{sum(listed)} of {len(listed)} listed and {sum(drawn)} of {len(drawn)} drawn answers"


def _middle(rates: Sequence[float]) -> float:
    return round(sorted(rates)[len(rates) // 2], 1) if rates else 0.0
