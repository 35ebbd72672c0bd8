# SPDX-License-Identifier: Apache-2.0
"""What a tree says of one of its products: config.json, found as hb finds it, with the parts that it inherits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kiln.errors import Refused, known

# In hb's order: the first product of that name counts. The name is a key in the file, not a folder.
_PLACES = ("out/products_ext/vendor/*/*/config.json", "vendor/*/*/config.json", "productdefine/common/products/*.json")
_MOST = 16 << 20               # bytes; rk3568's is 0.1 MB


@dataclass(frozen=True)
class Described:
    """A product as its tree has it; `file`, `folder`, `device` and `out` are paths from the root.

    `cpu` is "" if the file says none. `parts` are the names of all components, with those inherited.
    """

    name: str
    file: str
    folder: str
    device: str
    board: str
    cpu: str
    out: str
    parts: frozenset[str]


def find(tree: Path, name: str) -> Described:
    """The product `name`, also written name@company. Raises Refused with those known, or naming a file that is not JSON."""
    wanted, _, company = name.partition("@")
    names, broken = set(), []
    for file in (file for place in _PLACES for file in sorted(tree.glob(place))):
        try:
            config = _read(file)
        except Refused as error:
            broken.append(f"{file.relative_to(tree)} {error.what}")
            continue
        said = _word(config, "product_name") or file.stem
        if said == wanted and company in ("", file.parent.parent.name):
            return _described(tree, file, said, config)
        names.add(said)
    raise Refused(f"the tree has no product {name}", where="vendor/*/*/config.json", hint="; ".join([*broken[:3], known(name, names)]))


def _described(tree: Path, file: Path, name: str, config: Mapping[str, object]) -> Described:
    board = _inside(config.get("board")) or name
    folder = file.parent.relative_to(tree).as_posix()
    out = _inside(config.get("build_out_path")) or (f"out/{board}" if config.get("type", "standard") == "standard" else f"out/{board}/{name}")
    parts = set(_parts(config))
    for path in filter(None, map(_inside, _list(config.get("inherit")))):
        parts |= set(_parts(_read(tree / path)))
    return Described(name, file.relative_to(tree).as_posix(), _inside(config.get("product_path")) or folder,
                     _inside(config.get("device_build_path")), board, _word(config, "target_cpu"), out, frozenset(parts))


def _parts(config: Mapping[str, object]) -> Iterator[str]:
    for subsystem in _list(config.get("subsystems")):
        if isinstance(subsystem, dict):
            yield from (str(part["component"]) for part in _list(subsystem.get("components")) if isinstance(part, dict) and "component" in part)


def _read(file: Path) -> dict[str, object]:
    """The object in a JSON file. Raises Refused if there is none."""
    try:
        with file.open("rb") as opened:
            found = json.loads(opened.read(_MOST))
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}", where=file, hint="repo sync -c brings it") from error
    except (ValueError, RecursionError) as error:
        raise Refused(f"is not JSON: {error}", where=file, hint="git diff shows what was changed there") from error
    if not isinstance(found, dict):
        raise Refused("is not a JSON object", where=file)
    return found


def _word(config: Mapping[str, object], key: str) -> str:
    value = config.get(key)
    return value if isinstance(value, str) else ""


def _inside(value: object) -> str:
    """A path from the root that stays in the tree; "" for any other value."""
    good = isinstance(value, str) and value.isprintable() and not value.startswith("/") and ".." not in value.split("/")
    return str(value) if good else ""


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
