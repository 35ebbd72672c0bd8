# SPDX-License-Identifier: Apache-2.0
"""The headers are the API: the compiler's own record of them against the table of names, signatures, numbers and layouts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import nnrt_library
import pytest
from checkout import Built
from elftools.elf.elffile import ELFFile
from nnrt_api import API

INCLUDE = "#include <neural_network_runtime/neural_network_runtime.h>\n#include <stddef.h>\n"


def clang(virt: Built, abi: str, file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The SDK's clang on a file that includes the headers."""
    machine = {"arm64-v8a": "aarch64", "x86_64": "x86_64"}[abi]
    program = virt.toolchain(abi).root / f"llvm/bin/{machine}-unknown-linux-ohos-clang"
    argv = [str(program), "-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{nnrt_library.HEADERS}", *words, str(file)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def ast(virt: Built, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The declarations as clang reads them, in C++ (where FuseType is an enumeration)."""
    file = tmp_path_factory.mktemp("abi") / "all.cpp"
    file.write_text(INCLUDE)
    done = clang(virt, "arm64-v8a", file, "-x", "c++", "-std=c++17", "-Xclang", "-ast-dump=json")
    assert done.returncode == 0, done.stderr
    return list(walk(json.loads(done.stdout)))


def walk(node: dict[str, Any]) -> Any:
    yield node
    for inner in node.get("inner", []):
        yield from walk(inner)


def spelled(kind: str) -> str:
    """A type without the blanks that people put differently."""
    return kind.replace(" ", "").replace("[]", "*")


def test_every_function_has_its_signature(ast: list[dict[str, Any]]) -> None:
    found = {node["name"]: node for node in ast if node["kind"] == "FunctionDecl" and node.get("name", "").startswith("OH_NN")}
    assert sorted(found) == sorted(API["functions"]) and len(found) == 75
    for name, row in API["functions"].items():
        params = [node for node in found[name].get("inner", []) if node["kind"] == "ParmVarDecl"]
        said = spelled(f"{row['returns']} ({','.join(kind for kind, _ in row['params'])})")
        assert spelled(found[name]["type"]["qualType"]) == said, name
        assert [node["name"] for node in params] == [param for _, param in row["params"]], name
        assert any(node["kind"] == "VisibilityAttr" for node in found[name]["inner"]), name


def test_every_enumeration_has_its_numbers(virt: Built, ast: list[dict[str, Any]], tmp_path: Path) -> None:
    found = [node for node in ast if node["kind"] == "EnumConstantDecl" and node["name"].startswith("OH_NN_")]
    assert sorted(node["name"] for node in found) == sorted(name for enum in API["enums"].values() for name in enum["values"])
    assert {node["name"] for node in ast if node["kind"] == "TypedefDecl"} >= {*API["enums"], *API["structs"], *API["opaque"], *API["callbacks"]}
    checks = [f"static_assert({name} == {value}, \"\");" for enum in API["enums"].values() for name, value in enum["values"].items()]
    checks += [f"static_assert(sizeof({name}) == {enum['size']}, \"\");" for name, enum in API["enums"].items()]
    file = tmp_path / "numbers.cpp"
    file.write_text(INCLUDE + "\n".join(checks))
    done = clang(virt, "arm64-v8a", file, "-std=c++17")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("abi", ["arm64-v8a", "x86_64"])
@pytest.mark.parametrize("language", ["c", "c++"])
def test_every_structure_has_its_layout(virt: Built, abi: str, language: str, tmp_path: Path) -> None:
    word, align = ("_Static_assert", "_Alignof") if language == "c" else ("static_assert", "alignof")
    checks = []
    for name, row in API["structs"].items():
        checks += [f"{word}(sizeof({name}) == {row['size']}, \"\");", f"{word}({align}({name}) == {row['align']}, \"\");"]
        for kind, member, offset in row["fields"]:
            checks.append(f"{word}(offsetof({name}, {member}) == {offset}, \"\");")
            if language == "c":
                checks.append(f"{word}(__builtin_types_compatible_p(__typeof__((({name} *)0)->{member}), {kind}), \"\");")
    checks += [f"{kind.replace('(*)', f'(*check_{name})')} = ({name})0;" for name, kind in API["callbacks"].items()]
    file = tmp_path / f"layout.{'c' if language == 'c' else 'cpp'}"
    file.write_text(INCLUDE + "\n".join(checks))
    done = clang(virt, abi, file, "-std=c11" if language == "c" else "-std=c++17")
    assert done.returncode == 0, done.stderr
    file.write_text(file.read_text().replace("== 32", "== 24", 1))
    assert clang(virt, abi, file).returncode != 0, "and it would tell"


def exports(file: Path) -> set[str]:
    with file.open("rb") as data:
        symbols = ELFFile(data).get_section_by_name(".dynsym")
        return {symbol.name for symbol in symbols.iter_symbols() if symbol["st_shndx"] != "SHN_UNDEF" and symbol.name.startswith("OH_NN")}


def test_each_library_exports_its_functions(virt: Built) -> None:
    folder = nnrt_library.library(virt.build, nnrt_library.gnu(virt.build))
    for name in ("core", "runtime"):
        wanted = {function for function, row in API["functions"].items() if row["library"] == name}
        assert exports(folder / f"libneural_network_{name}.so") == wanted and len(wanted) == {"core": 50, "runtime": 25}[name]


def test_up_to_api_10_there_is_one_library_with_31_functions(virt: Built) -> None:
    folder = nnrt_library.library(virt.build, nnrt_library.gnu(virt.build), level=9)
    assert [file.name for file in folder.iterdir()] == ["libneural_network_runtime.z.so"]
    old = {name for name, row in API["functions"].items() if row["since"] == 9}
    assert exports(folder / "libneural_network_runtime.z.so") == old and len(old) == 31


def test_the_libraries_need_nothing_but_the_c_library(virt: Built) -> None:
    tree = virt.product / "system/tree/out/virt/ai/neural_network_runtime"
    for name, needed in (("core", {"libc.so"}), ("runtime", {"libneural_network_core.so", "libc.so"})):
        with (tree / f"libneural_network_{name}.so").open("rb") as data:
            tags = ELFFile(data).get_section_by_name(".dynamic").iter_tags()
            assert {tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"} == needed
