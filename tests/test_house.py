# SPDX-License-Identifier: Apache-2.0
"""The house holds: who may import whom, every pin, product and family member loads, no file outgrows its idea."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kiln import family, pin, product, share

pytestmark = pytest.mark.fast

ROOT = share.root()
LIBRARY = ROOT / "site_scons" / "kiln"
GROUND = {"errors", "share", "run", "git", "family", "stamp", "progress"}
DATA = {"spec", "product", "pin", "results", "footprint"}
FAMILIES = ("fetch.kinds", "model.recipes", "image.formats", "boards")


def modules() -> list[tuple[str, Path]]:
    """Every module of the library as (dotted name below kiln, file)."""
    found = []
    for file in sorted(LIBRARY.rglob("*.py")):
        dotted = ".".join(file.relative_to(LIBRARY).with_suffix("").parts)
        found.append((dotted.removesuffix(".__init__"), file))
    return found


def imported(file: Path) -> set[str]:
    """The modules that a file imports anywhere in it: `kiln.x.y` as `x.y`, others by their full name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("kiln.") for name in names}


def room(dotted: str) -> str:
    """The room of a module: ground, data, tools, or the name of its step."""
    head = dotted.split(".")[0]
    return "ground" if head in GROUND else "data" if head in DATA else head


@pytest.mark.parametrize("dotted,file", modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_go_one_way(dotted: str, file: Path) -> None:
    mine, ours = room(dotted), {name for name, _ in modules()}
    allowed = {"ground": {"ground"}, "data": {"ground", "data"}}.get(mine, {"ground", "data", mine})
    if mine in ("tools", "", "__init__", "__main__"):
        return
    for name in imported(file):
        inside = next((".".join(name.split(".")[:n]) for n in (3, 2, 1) if ".".join(name.split(".")[:n]) in ours), None)
        if inside and inside != "":
            assert room(inside) in allowed, f"kiln.{dotted} imports kiln.{inside}: a {mine} module may not"


@pytest.mark.parametrize("dotted,file", modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_only_tools_imports_scons(dotted: str, file: Path) -> None:
    if room(dotted) != "tools":
        assert not {name for name in imported(file) if name.split(".")[0] == "SCons"}


def test_the_front_door_is_light() -> None:
    """Nothing heavier than PyYAML is imported at read time."""
    code = "import sys; sys.path.insert(0, 'site_scons'); import kiln.tools.generate; import kiln.tools.front; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"requests", "tqdm", "numpy", "gguf", "elftools", "unearth", "zstandard"} & set(done.stdout.split())


def test_sconstruct_is_a_table_of_contents() -> None:
    text = (ROOT / "SConstruct").read_text()
    assert len(text.splitlines()) < 60
    assert not re.search(r"^\s*(def|import subprocess)\b|subprocess|os\.system", text, re.M)


@pytest.mark.parametrize("name", pin.names())
def test_every_pin_loads(name: str) -> None:
    loaded = pin.load(name)
    assert loaded.kind in family.names(importlib.import_module("kiln.fetch.kinds"))
    assert loaded.licence and loaded.size >= 0, "0: nobody recorded it, the digest decides"


@pytest.mark.parametrize("name", product.names())
def test_every_product_loads(name: str) -> None:
    from kiln.tools import preflight

    preflight.names(product.load(name))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_member_loads(name: str) -> None:
    package = importlib.import_module(f"kiln.{name}")
    members = family.names(package)
    assert members
    for member in members:
        assert family.load(package, member).__doc__


@pytest.mark.parametrize("dotted,file", modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_file_is_one_idea(dotted: str, file: Path) -> None:
    lines = file.read_text().splitlines()
    assert len(lines) <= 300, "what did it become?"
    assert not lines or lines[0].startswith("# SPDX-License-Identifier: Apache-2.0")
    assert ast.get_docstring(ast.parse(file.read_text())), "say in one sentence what it is for"


def test_no_registry_is_reached_by_address() -> None:
    """Registries are reached through their clients by name and version, never through an address in our files."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    hosts = re.compile("(" + "|".join(["pypi" + r"\.org", "python" + "hosted", "debian" + r"\.org", "registry" + r"\.npm"]) + ")")
    bad = [name for name in listed if Path(name).suffix not in (".gguf", ".jsonl")
           and hosts.search((ROOT / name).read_text(errors="replace"))]
    assert not bad


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest imports them by name alone: the second stops the whole suite at collection."""
    names = [file.name for file in (share.root() / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
