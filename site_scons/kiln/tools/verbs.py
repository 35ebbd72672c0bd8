# SPDX-License-Identifier: Apache-2.0
"""What a person asks for that is no file: check, chat, doctor ... One table: name, what it needs, function, help line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import SCons.Action
import SCons.Script

from kiln.tools import boundary
from kiln.tools.settings import Settings


@dataclass(frozen=True)
class Verb:
    """`needs` names the aliases that must be made first; `act` gets the environment and gives lines to print.

    `fits` raises, before anything is built, for a product or variables with which the verb makes no sense.
    """

    name: str
    needs: tuple[str, ...]
    act: Callable[[Any], Sequence[str]]
    help: str
    fits: Callable[[Any], None] | None = None


def _check(env: Any) -> Sequence[str]:
    from kiln.tools import board

    return board.check(env)


def _chat(env: Any) -> Sequence[str]:
    from kiln.tools import board

    return board.chat(env)


def _flash(env: Any) -> Sequence[str]:
    from kiln.tools import board

    return board.flash(env)


def _flashable(env: Any) -> None:
    from kiln.tools import board

    board.flashable(env["KILN_PRODUCT"])


def _demo(env: Any) -> Sequence[str]:
    from kiln.tools import demo

    return demo.demo(env)


def _demo_asked(env: Any) -> None:
    from kiln.tools import demo

    demo.asked(env)


def _fit(env: Any) -> Sequence[str]:
    from kiln.tools import fit

    return fit.fit(env)


def _doctor(env: Any) -> Sequence[str]:
    from kiln import doctor
    from kiln.errors import Refused
    from kiln.image import tools
    from kiln.tools import ohos

    settings: Settings = env["KILN_SETTINGS"]
    report = doctor.examine(env["KILN_PRODUCT"], settings.build, settings.cache, tools.GOOD)
    lines = [*report.lines, *ohos.recipe(env["KILN_PRODUCT"])]
    if report.missing:
        sys.stdout.write("\n".join(lines) + "\n")
        raise Refused(f"this machine lacks {', '.join(report.missing)}", hint=report.command)
    return lines


def _graft(env: Any) -> Sequence[str]:
    from kiln.tools import graft

    return graft.graft(env)


def _ungraft(env: Any) -> Sequence[str]:
    from kiln.tools import graft

    return graft.ungraft(env)


def _unpatch(env: Any) -> Sequence[str]:
    from kiln.tools import ohos

    return ohos.unpatch(env)


def _update(env: Any) -> Sequence[str]:
    from kiln.tools import update

    return update.update(env)


def _bundle(env: Any) -> Sequence[str]:
    from kiln.tools import bundle

    return bundle.bundle(env)


def _distclean(env: Any) -> Sequence[str]:
    import shutil

    settings: Settings = env["KILN_SETTINGS"]
    for entry in settings.build.iterdir():
        if entry.name == ".lock":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return [f"removed everything below {settings.build}; the cache {settings.cache} stays"]


TABLE = (
    Verb("check", ("image", "board"), _check, "boot the image (or take the board that runs it), ask it, judge it: card.json"),
    Verb("chat", ("image", "board"), _chat, "boot the image (or take the board that runs it) and talk to it"),
    Verb("demo", ("image", "board", "demos"), _demo, "ms=MODEL.ms: run a model on the board through MindSpore Lite; demo=nnrt: an Add and an FFN on NNRt", _demo_asked),
    Verb("flash", ("image",), _flash, "what would be written to the board that is plugged in; yes=1 or yes=userdata: write it", _flashable),
    Verb("fit", (), _fit, "does the model fit the board: its memory part by part, and every recipe with the contexts that would; model=PATH"),
    Verb("doctor", (), _doctor, "what this machine lacks, and the one command that installs it"),
    Verb("graft", ("native", "model"), _graft, "what was built as a component in the tree ohos=PATH, so that its own build.sh ships it"),
    Verb("ungraft", (), _ungraft, "take that component out of the tree ohos=PATH again, byte for byte"),
    Verb("unpatch", (), _unpatch, "take our patches out of the tree ohos=PATH again, byte for byte"),
    Verb("update", (), _update, "update=PIN: move a pin, and do nothing else"),
    Verb("bundle", (), _bundle, "put every pinned input of the product into one folder: mirror=DIR offline=1 then builds without a network"),
    Verb("distclean", (), _distclean, "remove everything below build/"),
)


def names() -> dict[str, str]:
    """Every verb and its line of help."""
    return {verb.name: verb.help for verb in TABLE}


def verbs(env: Any) -> None:
    """Make an alias of each verb; its action runs whenever it is asked for."""
    for verb in TABLE:
        needs = verb.needs
        if verb.name in SCons.Script.COMMAND_LINE_TARGETS:
            with boundary.reading():
                if verb.fits:
                    verb.fits(env)
                needs = _needed(env, verb)
        action = SCons.Action.Action(_perform, None)
        env.AlwaysBuild(env.Alias(verb.name, [env.Alias(need) for need in needs], action, KILN_VERB=verb))


def _needed(env: Any, verb: Verb) -> tuple[str, ...]:
    """`board` is what the virtual board boots with: a board of hardware brings its own. What `update` needs, its pin says."""
    from kiln.tools import board, update

    if verb.name == "update":
        return update.needs(env["KILN_SETTINGS"].update)
    if "board" not in verb.needs or board.virtual(env["KILN_PRODUCT"], env["KILN_SETTINGS"]):
        return verb.needs
    return tuple(need for need in verb.needs if need != "board")


def _perform(target: Sequence[Any], source: Sequence[Any], env: Any) -> None:
    verb: Verb = env["KILN_VERB"]
    settings: Settings = env["KILN_SETTINGS"]
    with boundary.acting(settings.build):
        lines = verb.act(env)
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
