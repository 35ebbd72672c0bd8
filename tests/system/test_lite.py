# SPDX-License-Identifier: Apache-2.0
"""The stand-in mindspore_lib: the whole C API, a .ms computed as numpy does, and no file that brings it down."""

from __future__ import annotations

import collections
import json
import random
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import ms_file
from checkout import Built
from kiln import share

pytestmark = pytest.mark.ci

LITE = share.folder("sandbox") / "ohos/third_party/mindspore/mindspore-src/source/mindspore/lite"
DATA = share.root() / "tests/data"
OK, GRAPH, NOT_FOUND, ATTRIBUTE, SHAPE, UNSUPPORTED, OPEN = 0, -200, -300, -302, -500, -7, -501
# Where undefined behavior would be, a trap: it needs no run-time library, which the SDK has none of.
FLAGS = ("-std=c++17", "-O1", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", "-fsanitize-trap=undefined")


@pytest.fixture(scope="session")
def judge(virt: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in's sources and tests/data/lite/judge.cpp as one static program of this machine."""
    program = tmp_path_factory.mktemp("lite") / "judge"
    compiler = virt.toolchain("x86_64").root / "llvm/bin/x86_64-unknown-linux-ohos-clang++"
    sources = [*sorted((LITE / "src").glob("*.cpp")), *(LITE / f"src/c_api/{name}_c.cpp" for name in ("context", "model", "tensor", "train"))]
    done = subprocess.run([compiler, *FLAGS, "-static", "-nostdlib++", f"-I{LITE}/include/c_api", f"-I{LITE}/src", *sources,
                           DATA / "lite/judge.cpp", "-o", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def judged(judge: Path, models: Sequence[bytes]) -> list[tuple[int, int, float]]:
    """Status, elements and sum of each model's outputs for inputs of zeros; a model that ends the program fails the test."""
    done = subprocess.run([judge], input=b"".join(struct.pack("<I", len(one)) + one for one in models), capture_output=True, timeout=300)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0, f"model {len(lines)} of {len(models)} ended it with {done.returncode}: {models[len(lines)].hex()[:4000]}"
    return [(int(code), int(count), float(total)) for code, count, total in (line.split() for line in lines)]


def one(judge: Path, model: bytes) -> tuple[int, int, float]:
    return judged(judge, [model])[0]


RANDOM = np.random.default_rng(11)
A, B, C, ROW = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((4, 3), (3, 5), (4, 5), (5,)))
BATCH = RANDOM.normal(size=(2, 4, 3)).astype(np.float32)


@pytest.mark.parametrize("name,make,want", [
    ("matmul", lambda m: m.matmul("a", "b", "y"), A @ B),
    ("transposed", lambda m: m.matmul("at", "bt", "y", transpose_a=True, transpose_b=True), A @ B),
    ("bias and relu", lambda m: m.matmul("a", "b", "y", "row", activation=ms_file.RELU), np.maximum(A @ B + ROW, 0)),
    ("a batch", lambda m: m.matmul("batch", "b", "y"), BATCH @ B),
    ("a batch of both", lambda m: m.matmul("batch", "batch", "y", transpose_b=True), BATCH @ BATCH.transpose(0, 2, 1)),
    ("add", lambda m: m.add("c", "c", "y"), C + C),
    ("a row added", lambda m: m.add("row", "c", "y"), C + ROW),
    ("a column added", lambda m: m.add("a", "batch", "y", ms_file.RELU6), np.clip(A + BATCH, 0, 6)),
    ("softmax", lambda m: m.matmul(m.softmax("c", "s"), "v", "y"), ms_file.softmax(C) @ np.arange(5, dtype=np.float32)[:, None]),
    ("softmax down", lambda m: m.matmul(m.softmax("c", "s", 0), "v", "y"), ms_file.softmax(C, 0) @ np.arange(5, dtype=np.float32)[:, None]),
])
def test_it_computes_what_numpy_does(judge: Path, name: str, make: object, want: np.ndarray) -> None:
    made = ms_file.Model()
    made.tensor("nothing", (1,))
    for constant, data in dict(a=A, b=B, c=C, row=ROW, at=A.T, bt=B.T, batch=BATCH, v=np.arange(5, dtype=np.float32)[:, None]).items():
        made.constant(constant, data)
    make(made)  # type: ignore[operator]
    made.add("y", "nothing", "out")
    for subgraph in (True, False):
        code, count, total = one(judge, made.save(["nothing"], ["out"], subgraph=subgraph))
        assert (code, count) == (OK, want.size)
        assert total == pytest.approx(float(want.sum(dtype=np.float64)), rel=1e-5, abs=1e-5)


def small(**changes: object) -> bytes:
    """x [2, 3] times w [3, 4]; `changes` are the shape of w, the kind of node, the activation, the axis, types, ends."""
    made = ms_file.Model()
    made.tensor("x", changes.get("x", (2, 3)), kind=changes.get("type", ms_file.FLOAT32))  # type: ignore[arg-type]
    made.constant("w", np.ones(changes.get("w", (3, 4)), np.float32))  # type: ignore[arg-type,call-overload]
    made.node(changes.get("kind", ms_file.MATMUL), ("x", "w"), "y", changes.get("attributes", {}))  # type: ignore[arg-type]
    return made.save(changes.get("inputs", ["x"]), changes.get("outputs", ["y"]), identifier=changes.get("identifier", b"MSL2"))  # type: ignore[arg-type]


@pytest.mark.parametrize("model,code", [
    (small(), OK), (small(w=(5, 4)), SHAPE), (small(w=(3,)), SHAPE), (small(kind=ms_file.MUL), NOT_FOUND), (small(kind=0), NOT_FOUND),
    (small(attributes={2: ms_file.Number("b", 9)}), ATTRIBUTE), (small(x=(-1, 3)), OPEN), (small(x=(-2, 3)), GRAPH),
    (small(type=34), UNSUPPORTED), (small(identifier=b"MSL1"), GRAPH), (small(identifier=b"GGUF"), GRAPH), (b"", GRAPH), (b"\0" * 64, GRAPH),
    (small(inputs=["w"]), GRAPH), (small(outputs=["w"]), GRAPH), (small(outputs=["x"]), OK), (small(inputs=[]), GRAPH),
    (small(inputs=["x", "y"]), GRAPH), (small(x=(2**31 - 1, 3)), -6)])
def test_what_it_says_of_a_model_that_is_wrong(judge: Path, model: bytes, code: int) -> None:
    assert one(judge, model)[0] == code


def test_every_truncation_is_an_error(judge: Path) -> None:
    whole = ms_file.network()[0]
    codes = {code for code, _, _ in judged(judge, [whole[:end] for end in range(len(whole) - 1)])}
    assert OK not in codes and GRAPH in codes


def test_two_thousand_damaged_files_are_refused_or_computed(judge: Path) -> None:
    chance, whole = random.Random(5), ms_file.network()[0]
    damaged = []
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                data[at] = chance.randrange(256)
            else:
                struct.pack_into("<I", data, min(at & ~3, len(data) - 4), chance.choice((0, 1, 4, 2**31 - 1, 2**32 - 1, len(data), len(data) - 4, chance.getrandbits(32))))
        damaged.append(bytes(data[:chance.randrange(8, len(data))] if chance.random() < 0.1 else data))
    found = collections.Counter(code for code, _, _ in judged(judge, damaged))
    assert found[OK] > 200 and found[GRAPH] > 500, found
    assert len(found) >= 6, f"more than one way to be wrong was reached: {found}"


def test_the_headers_are_the_sdks_own_abi(virt: Built, tmp_path: Path) -> None:
    """The compiler compares: each function's type, each number, each struct, with the record of the real headers."""
    record = json.loads((DATA / "mindspore-lite-c-api.json").read_text())
    lines = ['#include "model_c.h"', "#define SAME(a, b) _Static_assert(__builtin_types_compatible_p(a, b), #a)"]
    for name, (_, _, result, parameters) in record["functions"].items():
        lines.append(f"SAME(__typeof__(&{name}), {result} (*)({', '.join(parameters) or 'void'}));")
    for enum, members in record["enums"].items():
        lines += [f"_Static_assert((uint32_t){name} == (uint32_t)({value}), \"{name}\");" for name, value in members.items()]
        lines.append(f"_Static_assert(sizeof({enum}) == 4, \"{enum}\");")
    for name, fields in record["structs"].items():
        lines.append(f"struct own_{name} {{ {'; '.join(fields)}; }};")
        lines.append(f"_Static_assert(sizeof(struct own_{name}) == sizeof({name}), \"{name}\");")
        for text in fields:
            word = text.split("[")[0].split("*")[-1].split()[-1]
            lines.append(f"_Static_assert(offsetof(struct own_{name}, {word}) == offsetof({name}, {word}), \"{word}\");")
            lines.append(f"SAME(__typeof__(((struct own_{name} *)0)->{word}), __typeof__((({name} *)0)->{word}));")
    for n, text in enumerate(record["typedefs"][:-1]):
        name = text.split("(*")[1].split(")")[0] if "(*" in text else text.split("*")[-1]
        lines += [f"typedef {text.replace(name, f'own_{n}', 1)};", f"SAME(own_{n}, {name});"]
    (tmp_path / "abi.c").write_text("\n".join([*lines, "int main(void) { return 0; }"]))
    compiler = virt.toolchain("arm64-v8a").root / "llvm/bin/aarch64-unknown-linux-ohos-clang"
    done = subprocess.run([compiler, "-std=gnu11", "-Wall", f"-I{LITE}/include/c_api", "-c", tmp_path / "abi.c", "-o", tmp_path / "abi.o"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(record["functions"]) == 87


def test_the_library_in_the_image_has_all_87_functions(virt: Built) -> None:
    from elftools.elf.elffile import ELFFile

    library = next((virt.product / "system").glob("tree/out/virt/thirdparty/mindspore/libmindspore-lite.so"))
    with library.open("rb") as stream:
        symbols = ELFFile(stream).get_section_by_name(".dynsym").iter_symbols()
        exported = {symbol.name for symbol in symbols if symbol["st_shndx"] != "SHN_UNDEF" and symbol.name.startswith("OH_AI_")}
    assert exported == set(json.loads((DATA / "mindspore-lite-c-api.json").read_text())["functions"])
