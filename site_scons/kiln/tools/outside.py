# SPDX-License-Identifier: Apache-2.0
"""A step as an SCons node: named targets, stamps for sources, run once per key, reused from the cache where kept.

A foreign build (cmake, build.sh) is a node whose sources are results and canonical slices, never a tree; it is
Precious, NoCache and NoClean, and shares one SideEffect lock, since each of them takes all cores by itself.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SCons.Action

from kiln import results, stamp
from kiln.tools import boundary
from kiln.tools.settings import Settings


@dataclass(frozen=True)
class Step:
    """One step of one run.

    `make` does the work in `folder` and gives back the files that must stay intact; `inputs` gives, when the action
    runs, the parts of the key that upstream results decide. `kept` results go to the cache's made/ and come from
    there; `foreign` ones hold the shared lock. `live` asks the step's own build system every time.
    """

    name: str
    what: str
    folder: Path
    make: Callable[[str], Sequence[Path]]
    inputs: Callable[[], Sequence[str]]
    constants: tuple[str, ...]
    kept: bool = False
    foreign: bool = False
    live: bool = False

    @property
    def key(self) -> str:
        """What the step's result depends on; known only when its inputs are made."""
        return stamp.key(self.name, *self.constants, *self.inputs())


def node(env: Any, step: Step, sources: Sequence[Any], targets: Sequence[Path] = ()) -> Any:
    """The node of a step: its target is result.json (and `targets`), its sources what it is made of. Gives result.json."""
    settings: Settings = env["KILN_SETTINGS"]
    files = [str(step.folder / results.NAME), *map(str, targets)]
    action = SCons.Action.Action(perform, _shown)
    made = env.Command(files, [*sources, env.Value("\n".join(step.constants))], action, KILN_STEP=step)
    env.Precious(made)
    env.NoCache(made)
    env.NoClean(made)
    if step.foreign:
        env.SideEffect(str(settings.build / ".foreign"), made)
    if step.live:
        env.AlwaysBuild(made)
    preflight = env.get("KILN_PREFLIGHT")
    if preflight:
        env.Requires(made, preflight)
    return made[0]


def perform(target: Sequence[Any], source: Sequence[Any], env: Any) -> None:
    """The action of every step: already made, or restored from the cache, or made now."""
    step: Step = env["KILN_STEP"]
    settings: Settings = env["KILN_SETTINGS"]
    with boundary.acting(settings.build):
        began, key = time.time(), step.key
        reused = "" if step.live else _reused(step, key, settings)
        if not reused:
            step.folder.mkdir(parents=True, exist_ok=True)
            stamp.unmake(step.folder)
            stamp.make(step.folder, key, [*step.make(key), step.folder / results.NAME])
            if step.kept and settings.made:
                _keep(step, key, settings)
        _tell(settings, step, key, began, reused)


def result(env: Any, kind: type[Any], file: Any) -> Any:
    """The value that an upstream node saved; `file` is its node."""
    return results.load(kind, Path(env.File(file).get_abspath()))


def _reused(step: Step, key: str, settings: Settings) -> str:
    if stamp.made(step.folder, key):
        return "stamp"
    if step.kept and settings.made:
        from kiln.fetch import made

        if made.restore(settings.cache, key, step.folder) and stamp.made(step.folder, key):
            return "made"
        shutil.rmtree(step.folder, ignore_errors=True)
    return ""


def _keep(step: Step, key: str, settings: Settings) -> None:
    from kiln.fetch import made

    made.keep(settings.cache, key, step.folder)


def _tell(settings: Settings, step: Step, key: str, began: float, reused: str) -> None:
    log = settings.build / "logs" / "steps.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    entry = {"step": step.name, "key": key, "start": round(began, 3), "seconds": round(time.time() - began, 3),
             "rc": 0, "reused": bool(reused)}
    with log.open("a") as out:
        out.write(json.dumps(entry) + "\n")


def _shown(target: Sequence[Any], source: Sequence[Any], env: Any) -> str:
    step: Step = env["KILN_STEP"]
    return f"{step.name:10} {step.what}"
