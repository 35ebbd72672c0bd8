# SPDX-License-Identifier: Apache-2.0
"""The tests of the reference NNRt once more, under valgrind and with the sanitizers of the host's compiler in it: no wrong access, nothing
undefined, nothing lost. What Python itself does there is not looked at; there are no suppressions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import nnrt_library
import pytest
from checkout import ROOT, Built

pytestmark = pytest.mark.long
OURS = ("libneural_network_core.so", "libneural_network_runtime.so")
TIDY = ("values", "ffn", "nnrt_hostile")          # these give everything back; those of the answers leave handles behind on purpose
# A number that is none of an enumeration is what a caller in C may give: the library has to look at it to refuse it.
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize=enum", "-fno-omit-frame-pointer", "-g", "-O1")


def again(before: list[str], tests: tuple[str, ...], **environment: str) -> subprocess.CompletedProcess[str]:
    """Tests of this folder in a process of their own."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'site_scons'}:{ROOT / 'tests'}", "OPENBLAS_NUM_THREADS": "1", "KILN_NNRT_THREADS": "2", **environment}
    argv = [*before, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(ROOT / "tests/nnrt" / f"test_{name}.py") for name in tests)]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=1800)


def ours(file: Path) -> list[str]:
    """What valgrind found on the way through the reference: kind, and the places of the library that it came by."""
    found = []
    for error in xml.parse(file).iter("error"):
        frames = [frame for stack in error.iter("stack") for frame in stack if (frame.findtext("obj") or "").endswith(OURS)]
        if frames:
            found.append(f"{error.findtext('kind')} {error.findtext('what') or error.findtext('xwhat/text')} "
                         f"{[frame.findtext('fn') or frame.findtext('ip') for frame in frames]}")
    return found


@pytest.mark.parametrize("tests,leaks", [(TIDY, True), (("answers",), False)])
def test_valgrind_finds_nothing(virt: Built, tmp_path: Path, tests: tuple[str, ...], leaks: bool) -> None:
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not here")
    nnrt_library.library(virt.build, nnrt_library.gnu(virt.build))
    report = tmp_path / "report.xml"
    words = ["--leak-check=full", "--show-leak-kinds=definite,indirect,possible"] if leaks else ["--leak-check=no"]
    done = again(["valgrind", *words, "--xml=yes", f"--xml-file={report}"], tests, PYTHONMALLOC="malloc")
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout[-3000:] + done.stderr[-1000:]
    assert ours(report) == []
    print(f"\nvalgrind{', leaks too' if leaks else ''}: {done.stdout.splitlines()[-1]}, nothing on the way through the reference")


def sanitized(into: Path) -> Path:
    """The two libraries by the host's g++, with the sanitizers in them."""
    into.mkdir()
    words = [*(word for word in nnrt_library.FLAGS if word not in ("-O2", "-Werror", "-fno-exceptions")), *SANITIZE, "-mavx2", "-mfma", "-mf16c", "-Wno-psabi"]
    core = sorted((nnrt_library.HOME / "frameworks/native/neural_network_core").glob("*.cpp"))
    others = [file for name in ("neural_network_runtime", "reference_device") for file in sorted((nnrt_library.HOME / "frameworks/native" / name).glob("*.cpp"))]
    for name, files, needed in ((OURS[0], core, []), (OURS[1], others, [into / OURS[0]])):
        argv = ["g++", *words, "-shared", f"-Wl,-soname,{name}", "-Wl,-rpath,$ORIGIN", *files, *needed, "-o", into / name]
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stderr[-3000:]
    return into


def test_the_sanitizers_find_nothing(tmp_path: Path) -> None:
    if not shutil.which("g++"):
        pytest.skip("g++ is not here")
    folder, log = sanitized(tmp_path / "libraries"), tmp_path / "log"
    runtime = " ".join(subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip() for name in ("libasan.so", "libubsan.so"))
    done = again([], (*TIDY, "answers"), NNRT_LIBRARY=str(folder), LD_PRELOAD=runtime, ASAN_OPTIONS=f"detect_leaks=0:allocator_may_return_null=1:log_path={log}",
                 UBSAN_OPTIONS=f"print_stacktrace=1:log_path={log}")
    found = [file.read_text() for file in tmp_path.glob("log.*")]
    assert done.returncode == 0 and not found, done.stdout[-3000:] + "".join(found)[-3000:]
    print(f"\nsanitizers: {done.stdout.splitlines()[-1]}, nothing found")
