# SPDX-License-Identifier: Apache-2.0
"""What Kiln built, as a component in a team's tree, and out again: the tree is then as it was, byte for byte.

All that we write is listed in `kiln-graft.json` in the component's folder: our files by digest, and our entries in files of the team.
The list is written first and goes last, so what a killed run or a `repo sync` half undid is known to the next one. Nothing that is
not listed, or that was changed since, is overwritten or deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from kiln.errors import Refused
from kiln.results import Artifact
from kiln.system import component, entries, written
from kiln.system.component import CONF, Edit
from kiln.system.described import Described
from kiln.system.generations import Generation

LIST = "kiln-graft.json"
_PLACES = (f"vendor/*/{component.NAME}/{LIST}", f"foundation/ai/{component.NAME}/{LIST}")
_DEFAULT_CONF = f"build/ohos/images/mkimage/{CONF}"
_SPARE = 1 << 20               # for folders and tables, beside two in a hundred
_SIZE = re.compile(r"^(\d+)[ \t]*(?=\r?$)", re.M)


@dataclass(frozen=True)
class Listed:
    """What a graft wrote: digests of its files by path, its entries, and where it made an image larger: file, from, to.

    `before` are the digests of an earlier graft that a run has not yet replaced.
    """

    product: str
    files: Mapping[str, str]
    edits: tuple[Edit, ...]
    size: tuple[str, str, str] | None = None
    before: Mapping[str, str] = field(default_factory=dict)

    def ours(self, name: str, digest: str) -> bool:
        """Whether a file is as a graft wrote it."""
        return digest in (self.files.get(name), self.before.get(name))


def graft(tree: Path, product: Described, row: Generation, items: Sequence[Artifact], partition: int) -> tuple[str, ...]:
    """Put `items` (paths on the board) into the tree as a component that the product ships; gives lines that say so.

    `partition` is vendor's size in bytes. Raises Refused, before anything is written, for what does not fit, for files that
    are not ours or were changed since, and for a file of the team's that is not the JSON that it should be.
    """
    home = component.folder(product, row)
    old = _read(tree / home / LIST) or Listed(product.name, {}, ())
    if old.product != product.name:
        raise Refused(f"holds what was grafted for {old.product}", where=tree / home, hint="scons ungraft takes that out first")
    conf, text, size = _conf(tree, product, home, items, partition, old)
    edits = tuple(_fit(tree, edit, old) for edit in component.edits(product, row, _init(tree, product)))
    made = {"bundle.json": component.bundle(row, home, sum(item.size for item in items)),
            "BUILD.gn": component.build_gn(row, [item.dest for item in items], conf == f"{home}/{CONF}")}
    texts = {f"{home}/{name}": content for name, content in made.items()}
    if conf == f"{home}/{CONF}":
        texts[conf] = text
    sources = {f"{home}/files{item.dest}": item for item in items}
    wanted = {name: hashlib.sha256(content.encode()).hexdigest() for name, content in texts.items()}
    wanted |= {name: item.sha256 for name, item in sources.items()}
    _unchanged(tree, old, wanted)
    changed = {edit.file: _entered(tree, edit) for edit in edits}
    if size:
        changed[conf] = text
    _room(tree, sum(item.size for name, item in sources.items() if not (tree / name).exists()))
    now = Listed(product.name, wanted, edits, size)
    told = _told(product, home, items, edits, size or (conf, "", str(_said_size(text))))
    if old == now and all(written.digest(tree / name) == digest for name, digest in wanted.items()) and all(
            os.path.lexists(tree / name) and written.text(tree / name, json_=False) == content for name, content in changed.items()):
        return told
    _write_list(tree, home, replace(now, before={**old.before, **old.files}))
    for name, content in texts.items():
        written.write(tree / name, content.encode(), 0o644)
    for name, item in sources.items():
        written.copy(item, tree / name)
    for name, content in changed.items():
        written.write(tree / name, content.encode(), None)
    _drop(tree, old, {*old.files, *old.before} - set(wanted))
    _write_list(tree, home, now)
    return told


def ungraft(tree: Path) -> tuple[str, ...]:
    """Take every graft out of the tree; gives lines that say what went and what was kept because it was changed."""
    lines: list[str] = []
    for fresh in (file for place in _PLACES for file in tree.glob(str(written.beside(Path(place))))):
        fresh.unlink()                 # of a run that was killed before it had written anything else
        _empty(tree, fresh.parent.relative_to(tree).as_posix())
    for file in sorted(file for place in _PLACES for file in tree.glob(place)):
        listed = _read(file)
        assert listed
        home = file.parent.relative_to(tree).as_posix()
        for name in (*(edit.file for edit in listed.edits), *(listed.size or ())[:1]):
            written.beside(tree / name).unlink(missing_ok=True)
        kept = [name for edit in listed.edits for name in _left(tree, edit)]
        kept += _shrunk(tree, listed.size)
        kept += _drop(tree, listed, {*listed.files, *listed.before})
        written.beside(file).unlink(missing_ok=True)
        file.unlink()
        _empty(tree, home)
        lines.append(f"the component {home} is out of {listed.product}")
        lines += [f"kept: {name} was changed since; take out by hand what is ours" for name in kept]
    return tuple(lines) or (f"nothing of ours is grafted into {tree}",)


def _fit(tree: Path, edit: Edit, old: Listed) -> Edit:
    """The entry as this very file takes it: the one of ours that is there, else at its place, else with what its place lacks around it.

    Raises Refused for a file that is not the JSON that it should be, and where an entry of our name says something else.
    """
    file = tree / edit.file
    if edit.fresh and not os.path.lexists(file):
        return edit
    text = written.text(file)
    ours = next((one for one in old.edits if one.file == edit.file and _has(text, one)), None)
    if ours:
        return ours
    edit = replace(edit, fresh=edit.fresh and text == _alone(edit))
    if any(_same(item, edit) for item in entries.items(text, edit.place) or ()) and not _has(text, edit):
        raise Refused(f"has an entry {component.NAME} that is not the one that we would write", where=file, hint="take it out, then graft again")
    if not isinstance(json.loads(text.removeprefix("\ufeff")), dict):
        raise Refused("is no JSON object", where=file)
    while edit.place and entries.items(text, edit.place) is None:
        *above, last = edit.place
        if isinstance(last, str):
            edit = replace(edit, place=tuple(above), entry={edit.key: edit.entry} if edit.key else [edit.entry], key=last)
        else:
            edit = replace(edit, place=tuple(above), entry={**last, edit.key: edit.entry}, key="")
    return edit


def _entered(tree: Path, edit: Edit) -> str:
    """The file's text with our entry in it."""
    if edit.fresh and not os.path.lexists(tree / edit.file):
        return _alone(edit)
    text = written.text(tree / edit.file)
    return text if _has(text, edit) else entries.insert(text, edit.place, edit.entry, edit.key)


def _alone(edit: Edit) -> str:
    return json.dumps({edit.key: edit.entry}, indent=2) + "\n"


def _has(text: str, edit: Edit) -> bool:
    return any(item.key == edit.key and item.value == edit.entry for item in entries.items(text, edit.place) or ())


def _same(item: entries.Item, edit: Edit) -> bool:
    """An entry of our name: the same key, or a subsystem or component called so."""
    return item.key == edit.key if edit.key else isinstance(item.value, dict) and component.NAME in (
        item.value.get("subsystem"), item.value.get("component"))


def _left(tree: Path, edit: Edit) -> Iterator[str]:
    """Take one entry out; its file is named if something of ours stays in it."""
    file = tree / edit.file
    if not os.path.lexists(file):
        return
    try:
        text = written.text(file)
    except Refused:
        yield edit.file
        return
    if edit.fresh and text == _alone(edit):
        file.unlink()
        return
    without = entries.remove(text, edit.place, edit.entry, edit.key)
    if without is not None:
        written.write(file, without.encode(), None)
    elif any(_same(item, edit) for item in entries.items(text, edit.place) or ()):
        yield edit.file


def _conf(tree: Path, product: Described, home: str, items: Sequence[Artifact], partition: int,
          old: Listed) -> tuple[str, str, tuple[str, str, str] | None]:
    """The file that says how large vendor's image is, its new text, and if it is the team's: file, old size, new size.

    A board or product that has a file of its own for that keeps it; else the component brings the build's with another size.
    """
    own = sorted(file.relative_to(tree).as_posix() for folder in filter(None, (product.device, product.folder))
                 for file in (tree / folder).rglob(CONF) if file.is_file())
    name = own[0] if own else _DEFAULT_CONF
    text = written.text(tree / name, json_=False)
    found = _SIZE.search(text)
    if found is None:
        raise Refused("says no size in bytes on a line of its own", where=tree / name)
    before = old.size[1] if old.size and old.size[0] == name and old.size[2] == found[1] else found[1]
    adds = sum(-(-item.size // 4096) * 4096 for item in items if item.dest.startswith("/vendor/"))
    after = -(-(int(before) + adds + adds // 50 + _SPARE) // _SPARE) * _SPARE
    if after > partition:
        largest = max(items, key=lambda item: item.size)
        spare = partition - int(before) - (adds - largest.size) - (adds // 50) - 2 * _SPARE
        raise Refused(f"vendor's image would have {after} bytes, its partition has {partition}: {os.path.basename(largest.dest)} is too large by "
                      f"{largest.size - max(spare, 0)} bytes", where=tree / name,
                      hint=f"take a model of up to {max(spare, 0)} bytes; a partition of its own is what scons product=... makes, no build.sh can")
    text = text[:found.start(1)] + str(after) + text[found.end(1):]
    return (name, text, (name, before, str(after))) if own else (f"{home}/{CONF}", text, None)


def _said_size(text: str) -> int:
    found = _SIZE.search(text)
    return int(found[1]) if found else 0


def _shrunk(tree: Path, size: tuple[str, str, str] | None) -> list[str]:
    """Give an image its size back; its file is named if it now has another one."""
    if size is None or not (tree / size[0]).is_file():
        return []
    text = written.text(tree / size[0], json_=False)
    found = _SIZE.search(text)
    if found is None or found[1] not in size[1:]:
        return [size[0]]
    if found[1] == size[2]:
        written.write(tree / size[0], (text[:found.start(1)] + size[1] + text[found.end(1):]).encode(), None)
    return []


def _init(tree: Path, product: Described) -> str:
    """init's configuration of the board, which shall import ours: in vendor/etc/init itself a service runs in another SELinux domain."""
    name = f"init.{product.board}.cfg"
    found = sorted(file for folder in filter(None, (product.device, product.folder)) for file in (tree / folder).rglob(name))
    if not found:
        raise Refused(f"has no {name}, which would start the server", where=tree / (product.device or product.folder))
    return found[0].relative_to(tree).as_posix()


def _unchanged(tree: Path, old: Listed, wanted: Mapping[str, str]) -> None:
    """Raise if a file that we would write or replace is not as we left it."""
    for name in sorted({*old.files, *old.before, *wanted}):
        file = tree / name
        if os.path.lexists(file) and not old.ours(name, digest := written.digest(file)) and digest != wanted.get(name):
            what = "was changed since it was grafted" if name in old.files else "is there already, and not ours"
            raise Refused(what, where=file, hint="keep it elsewhere, then graft again")


def _drop(tree: Path, listed: Listed, names: set[str]) -> list[str]:
    """Delete files that are as we wrote them; gives the others."""
    kept = []
    for name in sorted(names):
        file = tree / name
        written.beside(file).unlink(missing_ok=True)
        if not os.path.lexists(file):
            continue
        if listed.ours(name, written.digest(file)):
            file.unlink()
        else:
            kept.append(name)
    return kept


def _empty(tree: Path, home: str) -> None:
    """Take the component's folders away where nothing is left in them."""
    for folder, _, _ in os.walk(tree / home, topdown=False):
        if not os.listdir(folder):
            os.rmdir(folder)


def _room(tree: Path, needed: int) -> None:
    free = shutil.disk_usage(tree).free
    if free < needed + _SPARE:
        raise Refused(f"has {free} bytes free, the component needs {needed}", where=tree)


def _write_list(tree: Path, home: str, listed: Listed) -> None:
    written.write(tree / home / LIST, (json.dumps(asdict(listed), indent=1) + "\n").encode(), 0o644)


def _read(file: Path) -> Listed | None:
    """The list of a graft; None if there is none. Raises Refused for one that names files outside of the tree."""
    if not os.path.lexists(file):
        return None
    found = json.loads(written.text(file))
    try:
        edits = tuple(Edit(str(one["file"]), tuple(one["place"]), one["entry"], str(one["key"]), bool(one["fresh"])) for one in found["edits"])
        size = tuple(map(str, found["size"])) if found["size"] else None
        files, before = ({str(name): str(digest) for name, digest in found[key].items()} for key in ("files", "before"))
        listed = Listed(str(found["product"]), files, edits, (size[0], size[1], size[2]) if size else None, before)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Refused("is no list of a graft", where=file, hint="take the folder away by hand") from error
    names = (*files, *before, *(edit.file for edit in edits), *(size[:1] if size else ()))
    if any(name.startswith("/") or ".." in name.split("/") or not name.isprintable() for name in names):
        raise Refused("names files outside of the tree", where=file, hint="take the folder away by hand")
    return listed


def _told(product: Described, home: str, items: Sequence[Artifact], edits: Sequence[Edit], size: tuple[str, str, str]) -> tuple[str, ...]:
    return (f"component {component.NAME} in {home}: {len(items)} files, {sum(item.size for item in items)} bytes",
            *(f"  entry in {edit.file}" for edit in edits), f"  vendor's image: {size[2]} bytes, said in {size[0]}",
            f"now ./build.sh --product-name {product.name} ships it; scons ungraft takes it out")
