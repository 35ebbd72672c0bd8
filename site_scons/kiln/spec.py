# SPDX-License-Identifier: Apache-2.0
"""YAML to a frozen dataclass: every key known, every value of its type, every mistake told as file:line.

A field's type says what the YAML may hold: str, int, bool, Size (`512MiB` -> bytes), Auto and AutoSize (a number or a size, or
`auto`), a nested dataclass, tuple[T, ...], dict[str, T], Literal, `T | None`. Aliases, merge keys and duplicate keys are refused: a spec is short and hostile YAML
is normal.
"""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from kiln.errors import SpecError, known

Size = NewType("Size", int)
Auto = NewType("Auto", int)            # a number, or AUTO for the word auto
AutoSize = NewType("AutoSize", int)    # a size, or AUTO
AUTO = -1
T = TypeVar("T")
LARGEST = 1 << 20
DEEPEST = 20
_SIZE = re.compile(r"^(\d{1,15})(B|KiB|MiB|GiB|TiB)?$")
_UNITS = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def read(file: Path, kind: type[T], *, shown: str | None = None) -> T:
    """The file as a `kind`. Raises SpecError with file:line; `shown` is the name that errors give the file."""
    at = shown or _shown(file)
    made: T = _value(_compose(file, at), kind, at, "")
    return made


def _compose(file: Path, at: str) -> yaml.Node:
    try:
        if file.stat().st_size > LARGEST:
            raise SpecError(f"larger than {LARGEST} bytes", where=at, hint="a spec is a page of YAML")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", where=at) from error
    except UnicodeDecodeError as error:
        raise SpecError("is not UTF-8", where=at) from error
    try:
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise SpecError(f"nested deeper than {DEEPEST}", where=at)
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise SpecError("aliases are not allowed", where=f"{at}:{line}", hint="write the value out")
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(f"not YAML: {error.problem}", where=f"{at}:{line}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise SpecError(f"not YAML: {error}", where=at) from error
    if node is None:
        raise SpecError("is empty", where=at)
    return node


def _value(node: yaml.Node, kind: Any, at: str, key: str) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if _null(node):
            return None
        return _value(node, next(arg for arg in args if arg is not type(None)), at, key)
    if dataclasses.is_dataclass(kind):
        return _record(node, kind, at, key)
    if origin is tuple:
        return tuple(_value(item, args[0], at, f"{key}[{i}]") for i, item in enumerate(_sequence(node, at, key)))
    if origin in (dict, Mapping):
        return {name: _value(item, args[1], at, f"{key}.{name}") for name, (_, item) in _pairs(node, at, key).items()}
    return _scalar(node, kind, at, key)


def _record(node: yaml.Node, kind: Any, at: str, key: str) -> Any:
    hints = get_type_hints(kind)
    fields = {field.name.rstrip("_"): field for field in dataclasses.fields(kind) if field.metadata.get("yaml", True)}
    given: dict[str, Any] = {}
    for name, (where, item) in _pairs(node, at, key).items():
        if name not in fields:
            raise SpecError(f"unknown key {_dotted(key, name)!r}", where=f"{at}:{_line(where)}", hint=known(name, fields))
        given[fields[name].name] = _value(item, hints[fields[name].name], at, _dotted(key, name))
    for name, field in fields.items():
        if field.name not in given and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise SpecError(f"key {_dotted(key, name)!r} is missing", where=f"{at}:{_line(node)}")
    try:
        return kind(**given)
    except SpecError as error:
        raise SpecError(error.what, where=f"{at}:{_line(node)}", hint=error.hint) from error


def _scalar(node: yaml.Node, kind: Any, at: str, key: str) -> Any:
    where = f"{at}:{_line(node)}"
    if not isinstance(node, yaml.ScalarNode) or _null(node):
        raise SpecError(f"{key} must be {_named(kind)}", where=where)
    text = node.value
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise SpecError(f"unknown {key} {text!r}", where=where, hint=known(text, map(str, get_args(kind))))
        return text
    if kind is str:
        return text
    if kind in (Auto, AutoSize) and text == "auto":
        return AUTO
    if kind in (Size, AutoSize) and (match := _SIZE.match(text)):
        return int(match[1]) * _UNITS[match[2]]
    if kind is bool and text in ("true", "false", "yes", "no"):
        return text in ("true", "yes")
    if kind is Auto and re.fullmatch(r"[1-9]\d{0,8}", text):
        return int(text)
    if kind is int and re.fullmatch(r"-?\d{1,18}|0x[0-9a-fA-F]{1,16}", text):
        return int(text, 0) if "x" in text else int(text)
    raise SpecError(f"{key} must be {_named(kind)}, not {text[:60]!r}", where=where)


def _pairs(node: yaml.Node, at: str, key: str) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise SpecError(f"{key or 'the file'} must be a mapping", where=f"{at}:{_line(node)}")
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for name, value in node.value:
        if not isinstance(name, yaml.ScalarNode):
            raise SpecError("a key must be a word", where=f"{at}:{_line(name)}")
        if name.value in found:
            raise SpecError(f"key {_dotted(key, name.value)!r} is given twice", where=f"{at}:{_line(name)}")
        found[name.value] = (name, value)
    return found


def _sequence(node: yaml.Node, at: str, key: str) -> list[yaml.Node]:
    if not isinstance(node, yaml.SequenceNode):
        raise SpecError(f"{key} must be a list", where=f"{at}:{_line(node)}")
    return list(node.value)


def _null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _named(kind: Any) -> str:
    return {str: "text", int: "an integer", bool: "true or false", Size: "a size such as 512MiB",
            Auto: "a number, or auto", AutoSize: "a size such as 512MiB, or auto"}.get(kind, str(kind))


def _dotted(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _shown(file: Path) -> str:
    """A path as a person reads it: below the current folder where it lies there, else its last two parts."""
    try:
        return file.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return "/".join(file.parts[-2:])
