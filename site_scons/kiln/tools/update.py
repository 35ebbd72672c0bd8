# SPDX-License-Identifier: Apache-2.0
"""update=PIN: the only thing that moves a pin, and the only thing that its run does, since this run has read the pins already."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from kiln import pin, share, stamp
from kiln.errors import Refused, known

UPDATES: dict[str, Callable[[Any], Sequence[str]]] = {}


def update(env: Any) -> Sequence[str]:
    """Move the pin that was asked for; lines that say from what to what. Raises Refused for one that nobody can move."""
    name = env["KILN_SETTINGS"].update
    every = {*UPDATES, *pin.names()}
    if name not in every:
        raise Refused(f"update={name}: there is no such pin" if name else "update wants a pin: update=PIN", hint=known(name, every))
    return UPDATES[name](env) if name in UPDATES else fetched(env)


def fetched(env: Any) -> Sequence[str]:
    """Any pin whose kind can say what is there today: fetched, digested, its YAML rewritten in place."""
    from kiln.fetch import newer, rewrite
    from kiln.progress import bar

    settings = env["KILN_SETTINGS"]
    name, today = settings.update, f"{datetime.datetime.now(datetime.UTC).date()}"
    if settings.offline:
        raise Refused(f"update={name} asks the network, and offline=1 forbids it")
    before = pin.load(name)
    after = newer.move(before, newer.Wish(settings.date, settings.branch), settings.cache, today=today, progress=bar)
    if after == before:
        return [f"{name}  {before.version} is what is there today; nothing was written"]
    lines = rewrite.rewrite(share.folder("vendor") / f"{name}.yaml", before, after)
    seen = "as published" if after.trust == "published" else "computed from what came, since nobody publishes it"
    return [f"{name}  {before.version} -> {after.version}; sha256 {seen}", *lines]


def needs(name: str) -> tuple[str, ...]:
    """The steps that an update wants made first."""
    return ("host",) if name == "recipe" else ()


def recipe(env: Any) -> Sequence[str]:
    """products/<product>.recipe.json anew: the product's model measured on this machine, the best recipe for its size confirmed."""
    from kiln.tools import recipe as step

    return step.recipe(env)


def openharmony(env: Any) -> Sequence[str]:
    """vendor/openharmony.yaml anew from a tree: what each of its repositories stands at."""
    from kiln.system import generations, projects

    settings = env["KILN_SETTINGS"]
    if settings.ohos is None:
        raise Refused("update=openharmony wants the tree whose commits are to be pinned", hint="add ohos=PATH")
    tree, before = settings.ohos, pin.load("openharmony")
    found = {path: projects.commit(tree / path) for path in projects.every(tree)}
    if "build" not in found:
        raise Refused("has no repository build", where=tree, hint="a tree is pinned by its commits: repo sync makes one that has some")
    changed = [one.path for one in projects.look(tree, projects.named(tree)) if one.changed]
    if changed:
        raise Refused(f"has changes that no commit holds: {', '.join(changed)}", where=tree, hint="commit them, or take them out (scons unpatch takes ours)")
    moved = sorted(path for path, commit in found.items() if before.projects.get(path) != commit)
    gone = sorted(set(before.projects) - set(found))
    version, (sha256, size) = f"OpenHarmony {generations.version(tree)}", pin.listing(found)
    rows = {"kind": "repo", "name": "manifest", "version": version, "url": projects.manifest_url(tree) or before.url, "file": before.file,
            "sha256": sha256, "size": size, "licence": before.licence, "seen": datetime.datetime.now(datetime.UTC).date(), "trust": "first-seen"}
    stamp.write(share.folder("vendor") / "openharmony.yaml",
                "# The commit of each repository of a tree; sha256 and size are of the lines `path commit`. Written by scons update=openharmony.\n"
                + "".join(f"{key}: {value}\n" for key, value in rows.items())
                + "projects:\n" + "".join(f"  {path}: {commit}\n" for path, commit in sorted(found.items())))
    return [f"openharmony  {before.version} -> {version}",
            f"{len(found)} repositories: {len(moved)} at another commit or new, {len(gone)} of the old pin are not in this tree"]


UPDATES |= {"openharmony": openharmony, "recipe": recipe}
