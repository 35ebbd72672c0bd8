# SPDX-License-Identifier: Apache-2.0
"""native/nnrt/nnrt.h, which finds the library at run time, against the same table as the SDK's headers: by what the compiler makes of it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT, Built
from nnrt_api import API

from kiln.results import Toolchain
from native import arm

HEADER = ROOT / "native/nnrt/nnrt.h"
WHOLE = {"OH_NN_ReturnCode", "OH_NN_DeviceType", "OH_NN_DataType", "OH_NN_Format", "OH_NN_PerformanceMode", "OH_NN_Priority"}
PROCESSOR = {"arm64-v8a": "aarch64", "armeabi-v7a": "armv7", "x86_64": "x86_64"}
INCLUDE = '#include "nnrt.h"\n'


def clang(tools: Toolchain, source: str, file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    file.write_text(source)
    program = tools.root / f"llvm/bin/{PROCESSOR[tools.abi]}-unknown-linux-ohos-clang"
    argv = [str(program), "-fsyntax-only", "-std=c11" if file.suffix == ".c" else "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{HEADER.parent}", *words]
    return subprocess.run([*argv, str(file)], capture_output=True, text=True, timeout=120)


def layout(row: dict[str, Any], name: str, pointer: int) -> list[str]:
    """The table has 64 bits; with 32 every member of these four structures takes one word."""
    size, fields = row["size"], [(kind, member, offset) for kind, member, offset in row["fields"]]
    if pointer == 4:
        size, fields = 4 * len(fields), [(kind, member, 4 * i) for i, (kind, member, _) in enumerate(fields)]
    checks = [f'_Static_assert(sizeof({name}) == {size} && _Alignof({name}) == {pointer}, "{name}");']
    for kind, member, offset in fields:
        checks.append(f'_Static_assert(offsetof({name}, {member}) == {offset}, "{name}.{member}");')
        checks.append(f'_Static_assert(__builtin_types_compatible_p(__typeof__((({name} *)0)->{member}), {kind}), "{name}.{member}");')
    return checks


def signatures() -> list[str]:
    """Each pointer of the table in nnrt.h has the type of the function that it is for."""
    rows = ((name, row["returns"], ", ".join(kind.replace("[]", "*") for kind, _ in row["params"]) or "void") for name, row in API["functions"].items())
    return [f'_Static_assert(__builtin_types_compatible_p(__typeof__(((nnrt *)0)->{name}), {returns} (*)({params})), "{name}");' for name, returns, params in rows]


@pytest.mark.ci
@pytest.mark.parametrize("abi", ["arm64-v8a", "x86_64", arm.ABI])
def test_structures_and_signatures_are_the_tables(virt: Built, abi: str, tmp_path: Path) -> None:
    tools = arm.toolchain(virt) if abi == arm.ABI else virt.toolchain(abi)
    checks = [check for name, row in API["structs"].items() for check in layout(row, name, 4 if abi == arm.ABI else 8)] + signatures()
    checks += [f"{kind.replace('(*)', f'(*check_{name})')} = ({name})0;" for name, kind in API["callbacks"].items()]
    done = clang(tools, INCLUDE + "\n".join(checks), tmp_path / "ours.c")
    assert done.returncode == 0, done.stderr
    for wrong, right in (("uint32_t, size_t", "uint32_t, uint64_t *"), ("OH_NN_ReturnCode (*)(OH_NNExecutor *)", "void (*)(OH_NNExecutor *)")):
        text = "\n".join(checks)
        assert wrong in text and clang(tools, INCLUDE + text.replace(wrong, right, 1), tmp_path / "wrong.c").returncode != 0, "and it would tell"


def test_every_number_is_the_tables(virt: Built, tmp_path: Path) -> None:
    """Those that stand there; six of the enumerations are there whole."""
    tools = virt.toolchain("arm64-v8a")
    done = clang(tools, INCLUDE, tmp_path / "all.cpp", "-Xclang", "-ast-dump=json")
    assert done.returncode == 0, done.stderr
    enums = {node["name"]: {one["name"] for one in node["inner"] if one["kind"] == "EnumConstantDecl"}
             for node in walk(json.loads(done.stdout)) if node["kind"] == "EnumDecl" and node.get("name", "").startswith("OH_NN")}
    known = {name: enum["values"] for name, enum in API["enums"].items()}
    assert set(enums) >= WHOLE and all(enums[name] == set(known[name]) for name in WHOLE)
    checks = [f'static_assert({one} == {known[name][one]} && sizeof({name}) == {API["enums"][name]["size"]}, "");' for name, ones in enums.items() for one in ones]
    assert len(checks) > 50
    done = clang(tools, INCLUDE + "\n".join(checks), tmp_path / "numbers.cpp")
    assert done.returncode == 0, done.stderr


def walk(node: dict[str, Any]) -> Any:
    yield node
    for inner in node.get("inner", []):
        yield from walk(inner)


def test_each_list_has_the_functions_of_its_level() -> None:
    text = HEADER.read_text()
    lists = {name: set(re.findall(r"X\([\w ]+ ?\*?, (OH_NN\w+),", body)) for name, body in re.findall(r"#define (NNRT_API_\w+)\(X\)(.*?)\n\n", text, re.S)}
    assert lists["NNRT_API_9"] | lists["NNRT_API_9_OLD"] == {name for name, row in API["functions"].items() if row["since"] == 9}
    assert lists["NNRT_API_11"] == {name for name, row in API["functions"].items() if row["since"] == 11}
    assert sum(map(len, lists.values())) == 75
