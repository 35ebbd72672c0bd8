# SPDX-License-Identifier: Apache-2.0
"""The front door of our own SConstruct: the command line understood or refused, help, the database's place, the lock.

What changes a whole SCons run is done here and nowhere else; someone else's SConstruct does not call it.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import SCons.Action
import SCons.Script

from kiln import product as products
from kiln import results, run
from kiln.errors import Refused, known
from kiln.product import Product
from kiln.tools import boundary, settings, verbs

STEPS = {
    "image": "the image, and everything that it needs (the default)",
    "sdk": "the cross compiler",
    "system": "OpenHarmony's libraries, and images where the product says so, by a tree's build.sh",
    "base": "the partition images that are injected into",
    "native": "llama.cpp for the board",
    "host": "llama.cpp's tools for this machine",
    "model": "the quantized model",
    "board": "what the virtual board boots with",
    "demos": "the programs that the verb demo sends to a board",
}


def own(env: Any) -> None:
    """Take over this SCons run for one product. Refuses, with exit code 2, what SCons would swallow."""
    with boundary.reading():
        here = Path(env.Dir("#").get_abspath())
        given = settings.read(SCons.Script.ARGLIST, here, _jobs(env))
        _targets(SCons.Script.COMMAND_LINE_TARGETS, here, given.build)
        if given.update:
            if SCons.Script.COMMAND_LINE_TARGETS:
                raise Refused("update moves a pin and builds nothing", hint=f"run it alone: scons update={given.update}")
            _ask_for("update")
        if given.demo and "demo" not in SCons.Script.COMMAND_LINE_TARGETS:
            _ask_for("demo")
        if given.ms and "demo" not in SCons.Script.COMMAND_LINE_TARGETS:
            raise Refused("ms= is for the verb demo", hint="scons product=NAME demo ms=MODEL.ms")
        env["KILN_SETTINGS"] = given
        # SCons asks its default environment about every plain source; with default tools that starts gcc four times.
        SCons.Script.DefaultEnvironment(tools=[])
        env.Help(_help(), append=False)
        env.SetOption("no_progress", True)
        if "chat" in SCons.Script.COMMAND_LINE_TARGETS:
            env.SetOption("num_jobs", 1)  # in the main thread, where Ctrl-C can mean "stop this answer"
        elif not _j_given():
            # Two of our nodes at once: one that compiles, with all cores, and one that downloads or packs.
            env.SetOption("num_jobs", 2)
        if not env.GetOption("help"):
            given.build.mkdir(parents=True, exist_ok=True)
            _lock(given.build / ".lock")
            _end_children_on_signals()
            env.SConsignFile(str(given.build / ".sconsign"))


def _ask_for(verb: str) -> None:
    """As if that verb had been typed: no default is built."""
    SCons.Script.COMMAND_LINE_TARGETS.append(verb)
    asked = SCons.Script.BUILD_TARGETS
    asked.append(verb)
    asked._add_Default = asked._clear = asked._do_nothing


def _j_given() -> bool:
    words = [*os.environ.get("SCONSFLAGS", "").split(), *sys.argv[1:]]
    return any(word.startswith(("-j", "--jobs")) for word in words)


def _jobs(env: Any) -> int | None:
    return int(env.GetOption("num_jobs")) if _j_given() else None


def _targets(names: Iterable[str], here: Path, build: Path) -> None:
    """Refuse a target that is no step, no verb and no path below build/: SCons would call a folder's name up to date."""
    every = {**STEPS, **verbs.names()}
    for name in names:
        below = Path(os.path.normpath(here / name))
        if name not in every and build not in (below, *below.parents):
            raise Refused(f"unknown target {name!r}", hint=known(name, every))


def _lock(file: Path) -> None:
    """One run per checkout. The lock is the open file: a killed run leaves nothing behind."""
    stream = file.open("a+")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.seek(0)
        raise Refused(f"another run is building here: {stream.read().strip() or 'unknown'}", where=file.parent,
                      hint="wait for it, or give build=ANOTHER_FOLDER") from None
    stream.truncate(0)
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or f"uid {os.getuid()}"
    stream.write(f"process {os.getpid()} of {user}, since {time.strftime('%H:%M:%S')}, {' '.join(sys.argv[1:]) or 'scons'}\n")
    stream.flush()
    _held.append(stream)


_held: list[Any] = []


def told(env: Any, image: Any) -> None:
    """The alias `image`: when the image is there, say where, and how to talk to it."""
    env.AlwaysBuild(env.Alias("image", image, SCons.Action.Action(_tell, None)))


def _tell(target: Any, source: Any, env: Any) -> None:
    if {"check", "chat", "demo", "flash"} & set(SCons.Script.COMMAND_LINE_TARGETS):
        return
    asked, product = env["KILN_SETTINGS"], env["KILN_PRODUCT"]
    made = asked.build / product.name
    with boundary.acting(made.parent):
        from kiln.tools import base

        images = results.load(results.Images, made / "images" / results.NAME)
        lines = [f"{output.format:10} {os.path.relpath(output.file)}" for output in images.outputs if output.format != "directory"]
        pinned = all(one.get("pinned", True) for one in json.loads(images.manifest.read_text())["inputs"])
        unpinned = [] if pinned else ["not pinned: an input was given by path; see manifest.json"]
        sys.stdout.write("\n".join([*base.told(product, made / "base"), f"images     {os.path.relpath(made / 'images')}/", *lines,
                                    *_next(asked, product), *unpinned]) + "\n")


def _next(asked: settings.Settings, product: Product) -> list[str]:
    """What a person does with the image: a board of hardware is flashed first, and the virtual one may stand in for it."""
    flash = [] if product.board.transport == "virt" else [f"flash it:   {asked.command('flash')}"]
    virtual = ["board=virt"] if flash and product.board.kernel else []
    return [*flash, f"talk to it: {asked.command('chat', *virtual)}", f"judge it:   {asked.command('check', *virtual)}"]


def release() -> None:
    """Give the checkout's lock back: `chat` waits for a person, not for a build."""
    while _held:
        _held.pop().close()
    signal.set_wakeup_fd(-1)  # from here on Ctrl-C is the person's: it must not end the board


def _end_children_on_signals() -> None:
    """SCons notes Ctrl-C and waits for its actions; children have their own process groups, so we end them."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()


def _watch(reader: int) -> None:
    while numbers := os.read(reader, 64):
        if {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} & set(numbers):
            run.interrupt()


def _help() -> str:
    rows = [("Products", [(name, "") for name in products.names()]), ("Targets", list(STEPS.items())),
            ("Verbs", list(verbs.names().items())),
            ("Variables", [(f"{one.name}={one.default}", one.help) for one in settings.VARIABLES])]
    lines = ["Kiln bakes a large language model into an OpenHarmony image.", "",
             "  scons product=NAME [TARGET or VERB] [VARIABLE=VALUE ...]", ""]
    for title, entries in rows:
        lines += [title, *(f"  {name:<20} {text}".rstrip() for name, text in entries), ""]
    return "\n".join(lines)
