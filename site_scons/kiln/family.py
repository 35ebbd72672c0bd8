# SPDX-License-Identifier: Apache-2.0
"""File name = option value: the members of a family folder are found by their file names, there is no registry."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from kiln.errors import Refused, known


def names(family: ModuleType) -> tuple[str, ...]:
    """The members of a family package, sorted; `_` in a file name is `-` in the option where the user wrote one."""
    folder = Path(str(family.__file__)).parent
    return tuple(sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_")))


def load(family: ModuleType, name: str) -> ModuleType:
    """The module of the member `name`. Raises Refused, listing the known members."""
    if name not in names(family):
        what = family.__name__.rsplit(".", 1)[-1].rstrip("s").replace("_", " ")
        raise Refused(f"unknown {what} {name!r}", hint=known(name, names(family)))
    return importlib.import_module(f"{family.__name__}.{name}")
