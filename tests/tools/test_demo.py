# SPDX-License-Identifier: Apache-2.0
"""The verb demo on the virtual board: a .ms through MindSpore Lite as numpy computes it, an Add and an FFN on NNRt; and each way to be refused."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import ms_file
import nnrt_library
from checkout import ROOT, Built, scons
from kiln import results
from kiln.judge import demo
from kiln.results import Artifacts

HOST = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")


def printed(lines: str) -> tuple[str, np.ndarray]:
    """The head and the values of the one output that ms-client printed."""
    head, values = re.search(r"^(output .*)\n +(.*)$", lines, re.M).groups()  # type: ignore[union-attr]
    return head, np.array([float(word) for word in values.split()])


@pytest.mark.ci
def test_a_model_on_the_board_computes_what_numpy_does(virt: Built, tmp_path: Path) -> None:
    model, want = ms_file.network()
    (tmp_path / "two words.ms").write_bytes(model)
    done = scons("product=virt", "demo", f"ms={tmp_path}/two words.ms")
    assert done.returncode == 0, done.stdout + done.stderr
    head, got = printed(done.stdout)
    assert head == "output answer: 240 bytes, 60 elements, float32 [6, 10]"
    assert got.size == 50 and np.allclose(got, want.ravel()[:50], rtol=1e-5, atol=1e-7)


@pytest.mark.ci
def test_inputs_of_ones_own_and_a_model_that_is_cut_off(virt: Built, tmp_path: Path) -> None:
    made = ms_file.Model()
    made.tensor("a", (2, 3))
    made.tensor("b", (3,))
    made.add("a", "b", "sum")
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([0.5, -1, 2], np.float32)
    model = made.save(["a", "b"], ["sum"])
    for name, data in dict(model=model, a=a.tobytes(), b=b.tobytes(), cut=model[:len(model) // 2], short=b.tobytes()[:-1]).items():
        (tmp_path / name).write_bytes(data)
    one = scons("product=virt", "demo", f"ms={tmp_path}/model,{tmp_path}/a,{tmp_path}/b")
    assert one.returncode == 0 and (printed(one.stdout)[1] == (a + b).ravel()).all(), one.stdout + one.stderr
    cut = scons("product=virt", "demo", f"ms={tmp_path}/cut")
    assert cut.returncode == 2 and "kiln: ms-client: cut: OH_AI_ModelBuildFromFile: LITE_GRAPH_FILE_ERROR (status -200)" in cut.stderr
    short = scons("product=virt", "demo", f"ms={tmp_path}/model,{tmp_path}/a,{tmp_path}/short")
    assert short.returncode == 2 and "kiln: ms-client: short has fewer than the 12 bytes of its input" in short.stderr


@pytest.mark.ci
def test_nnrt_on_the_board(virt: Built) -> None:
    done = scons("product=virt", "demo=nnrt")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^NNRt of API 11 or later, 1 device$", done.stdout, re.M), done.stdout
    found = re.findall(r"^(Add|FFN) on \S+: compiled in [\d.]+ ms, ran in [\d.]+ ms, largest difference to this program (\S+)$", done.stdout, re.M)
    assert [name for name, _ in found] == ["Add", "FFN"] and all(float(off) < 1e-4 for _, off in found)


@pytest.mark.parametrize("words,says", [
    (["demo"], "demo wants to know what"), (["demo", "ms=nowhere.ms"], "nowhere.ms is not there"), (["demo", "ms=tests"], "tests is not there"),
    (["ms=x.ms"], "ms= is for the verb demo"), (["check", "ms=x.ms"], "ms= is for the verb demo"), (["demo=nnrt", "ms=x"], "two demos"),
    (["demo=cuda"], "demo=cuda must be nnrt"), (["demo", "ms=/dev/null"], "is not there"), (["demo", "ms=empty.ms"], "has 0 bytes")])
def test_what_is_refused_before_anything_is_built(tmp_path: Path, words: list[str], says: str) -> None:
    (tmp_path / "empty.ms").write_bytes(b"")
    words = [word.replace("empty.ms", str(tmp_path / "empty.ms")) for word in words]
    done = scons("product=virt", *words, f"build={tmp_path}/build")
    assert done.returncode == 2 and done.stderr.startswith("kiln: ") and says in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "build/virt").exists()


@pytest.fixture(scope="session")
def here(virt: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """nnrt-demo for this machine's own C library, which can load the reference NNRt."""
    program = tmp_path_factory.mktemp("demo") / "nnrt-demo"
    cc = nnrt_library.gnu(virt.build)
    argv = [cc.argv[0], "cc", *cc.argv[2:], *HOST, f"-I{ROOT}/native/nnrt", *(ROOT / "native/nnrt-demo").glob("*.c"), "-lm", "-o", program]
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def ran(program: Path, libraries: Path, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run([program], env={"LD_LIBRARY_PATH": str(libraries), **environment}, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.ci
@pytest.mark.parametrize("level", [18, 10])
def test_nnrt_in_both_layouts_and_whatever_call_fails(virt: Built, here: Path, level: int) -> None:
    """The n-th call fails, for every n: one line that names it, exit code 1, never a crash."""
    library = nnrt_library.library(virt.build, nnrt_library.gnu(virt.build), level=level)
    code, out, err = ran(here, library)
    assert (code, err) == (0, "") and f"NNRt of API {'11 or later' if level >= 11 else '9 or 10'}, 1 device" in out
    failed = set()
    good = 0
    for n in range(1, 160):
        code, out, err = ran(here, library, KILN_NNRT_FAIL_CALL=str(n))
        good += code == 0
        # What fails to be destroyed is no failure of ours; nor is a call that never comes.
        assert (code, err) == (0, "") or code == 1 and err.startswith("nnrt-demo: ") and err.count("\n") <= 2, (n, code, err)
        failed |= set(re.findall(r"OH_NN\w+", err))
    runs = {"OH_NNExecutor_RunSync", "OH_NNTensor_Create"} if level >= 11 else {"OH_NNExecutor_Run", "OH_NNExecutor_SetInput"}
    assert {"OH_NNModel_AddOperation", "OH_NNModel_Finish", "OH_NNCompilation_Build", *runs} <= failed and 0 < good < 150, (good, sorted(failed))


@pytest.mark.ci
@pytest.mark.parametrize("devices,code,says", [
    ("none", 1, "it has no device"), ("accelerator,refuse=all", 1, "no device takes the model Add"),
    ("cpu,refuse=all;accelerator", 0, "the device does not take ADD"), ("accelerator,refuse=SIGMOID", 1, "no device takes the model FFN"),
    ("accelerator,fail-run=1", 1, "OH_NNExecutor_RunSync: UNAVAILABLE_DEVICE (code 14)"), ("gpu;cpu;accelerator", 0, "3 devices")])
def test_nnrt_with_other_devices(virt: Built, here: Path, devices: str, code: int, says: str) -> None:
    library = nnrt_library.library(virt.build, nnrt_library.gnu(virt.build))
    got, out, err = ran(here, library, KILN_NNRT_DEVICES=devices)
    assert got == code and says in out + err, out + err


@pytest.mark.ci
def test_without_a_library_it_is_one_line(virt: Built, here: Path, tmp_path: Path) -> None:
    assert ran(here, tmp_path) == (1, "", "nnrt-demo: this system has no NNRt: libneural_network_runtime.so does not load, nor does the .z.so of API 9\n")


class Bare:
    """A board, played: no library is on it."""

    def __init__(self, code: int, said: str) -> None:
        self.answer, self.sent, self.up = (code, said), [], True

    def send(self, file: Path, dest: str, mode: int = 0o755) -> None:
        self.sent.append((file.name, dest, mode))

    def run(self, argv: list[str], timeout: float = 0) -> tuple[int, str]:
        return (0, "") if argv[0] == "rm" else self.answer


@pytest.mark.parametrize("code,said,what,hint", [
    (1, "ms-client: this system has no MindSpore Lite: x do not load\n", "ms-client: this system has no MindSpore Lite: x do not load", "mindspore_lib"),
    (139, "\x1b[31mhalf a line", "ms-client failed on the board (exit code 139): half a line", ""), (127, "", "it printed nothing", "C library")])
def test_a_board_that_cannot(tmp_path: Path, code: int, said: str, what: str, hint: str) -> None:
    program = tmp_path / "ms-client"
    program.write_bytes(b"x")
    with pytest.raises(Exception, match=re.escape(what)) as caught:
        demo.run(Bare(code, said), program)  # type: ignore[arg-type]
    assert hint in caught.value.hint  # type: ignore[attr-defined]


@pytest.mark.ci
def test_the_programs_are_for_the_board_and_in_no_image(virt: Built) -> None:
    assert scons("product=virt", "demos").returncode == 0
    for name in ("ms-client", "nnrt-demo"):
        made = results.load(Artifacts, virt.product / "native" / name / "out" / results.NAME)
        assert [(item.file.name, item.dest) for item in made.items] == [(name, "")]
    assert "ms-client" not in (virt.product / "manifest.json").read_text()
