# SPDX-License-Identifier: Apache-2.0
"""./kiln: an environment of its own, host packages where it may, one line and exit code 2 where it may not.

The wrapper is the real one; apt-get, sudo, id and python3 are small programs in a PATH of the test that record their calls.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from kiln import share

pytestmark = pytest.mark.fast

REAL = ("sh", "env", "readlink", "dirname", "cat", "cksum", "tr", "grep", "sed", "cut", "tail", "touch", "mkdir", "rm", "flock", "sleep",
        "cp", "chmod")
PYTHON = r"""#!/bin/sh
echo "python3 $*" >>"$CALLS"
case "$*" in
"-I -S -c"*) [ ! -e "$STATE/old" ] && echo 3.11.2 /usr ;;
"-I -c import venv"*) [ ! -e "$STATE/no-ensurepip" ] ;;
"-S -c from kiln import doctor"*) cat "$STATE/lacking" ;;
-V) echo Python 3.9.2 ;;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip install "*)
    echo "Collecting scons==4.11.1 (from -r requirements.txt)"
    [ ! -e "$STATE/slow" ] || sleep "$(cat "$STATE/slow")"
    [ ! -e "$STATE/offline" ] || { echo "WARNING: Retrying (Retry(total=4)) after connection broken by 'no route to host': /simple/scons/"
        echo "ERROR: No matching distribution found for scons==4.11.1"; exit 1; } ;;
"-m SCons"*) echo "SCons in $(pwd): $*" ;;
"-m pytest"*) echo "pytest in $(pwd): $*" ;;
*) exit 99 ;;
esac
"""
APT = r"""#!/bin/sh
echo "apt-get $*" >>"$CALLS"
case "$*" in
update) : >"$STATE/updated" ;;
*) [ ! -e "$STATE/no-lists" ] || [ -e "$STATE/updated" ] || { echo "E: Unable to locate package"; exit 100; }
    case "$*" in
    *--simulate*) ;;
    *) : >"$STATE/lacking"; rm -f "$STATE/no-ensurepip"
        echo "Setting up ccache (4.7.5-1) ..."
        [ -e "$BIN/python3" ] || cp "$STATE/python3" "$BIN/python3" ;;
    esac ;;
esac
"""
SUDO = r"""#!/bin/sh
echo "sudo $*" >>"$CALLS"
[ -e "$STATE/sudoer" ] || exit 1
shift
[ "$1" = true ] || exec "$@"
"""


class Machine:
    """A made-up machine: its programs, its user, its home, and a checkout of Kiln."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.state, self.repo, self.home = (folder / name for name in ("bin", "state", "a checkout", "home"))
        for made in (self.bin, self.state, self.repo, self.home):
            made.mkdir()
        for name in REAL:
            found = shutil.which(name)
            assert found, name
            (self.bin / name).symlink_to(found)
        for name, text in (("python3", PYTHON), ("apt-get", APT), ("sudo", SUDO)):
            self.program(name, text)
        shutil.copy(self.bin / "python3", self.state / "python3")
        self.user(0)
        self.says("lacking", "")
        self.calls = self.state / "calls"
        for name in ("kiln", "requirements.txt", "requirements-test.txt"):
            shutil.copy(share.root() / name, self.repo / name)
        self.env = {"PATH": str(self.bin), "HOME": str(self.home), "CALLS": str(self.calls), "STATE": str(self.state), "BIN": str(self.bin)}

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def user(self, number: int) -> None:
        self.program("id", f"#!/bin/sh\necho {number}\n")

    def says(self, name: str, text: str = "") -> None:
        (self.state / name).write_text(text)

    def start(self, *words: str, cwd: Path | None = None, **env: str) -> subprocess.Popen[str]:
        self.calls.write_text("")
        return self.also(*words, cwd=cwd, **env)

    def also(self, *words: str, cwd: Path | None = None, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen([self.repo / "kiln", *words], cwd=cwd or self.repo, env=self.env | env, text=True, start_new_session=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def kiln(self, *words: str, cwd: Path | None = None, **env: str) -> tuple[int, str, str]:
        child = self.start(*words, cwd=cwd, **env)
        out, err = child.communicate(timeout=60)
        return child.returncode, out, err

    def called(self, pattern: str) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if re.search(pattern, line)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def last(err: str) -> str:
    return err.splitlines()[-1]


def test_first_run_makes_an_environment_second_makes_nothing(machine: Machine, tmp_path: Path) -> None:
    code, out, err = machine.kiln("product=virt", "a b", cwd=tmp_path)
    assert (code, out) == (0, f"SCons in {machine.repo}: -m SCons -Q product=virt a b\n")
    assert "making a private Python environment" in err and "  scons==4.11.1" in err
    assert machine.called("pip install.*--require-hashes.*/a checkout/requirements.txt$")
    code, out, err = machine.kiln("product=virt")
    assert (code, err) == (0, "") and not machine.called("pip|venv /")


def test_it_works_through_a_link_from_elsewhere(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(machine.repo / "kiln")
    done = subprocess.run([tmp_path / "link"], cwd=tmp_path, env=machine.env, text=True, capture_output=True, check=True)
    assert f"SCons in {machine.repo}:" in done.stdout


def test_other_requirements_are_another_environment(machine: Machine) -> None:
    machine.kiln()
    with (machine.repo / "requirements.txt").open("a") as out:
        out.write("# newer\n")
    machine.kiln()
    assert machine.called("pip install")
    assert len(list((machine.home / ".cache/kiln").glob("venv-*/.complete"))) == 2


def test_offline_is_told_in_one_line_and_leaves_nothing_in_use(machine: Machine) -> None:
    machine.says("offline")
    code, out, err = machine.kiln()
    assert (code, out) == (2, "")
    assert last(err).startswith("kiln: the Python packages of requirements.txt could not be had: 'no route to host'")
    (machine.state / "offline").unlink()
    code, out, err = machine.kiln()
    assert code == 0 and "making a private" in err


def test_a_killed_creation_is_not_used(machine: Machine) -> None:
    machine.says("slow", "30")
    child = machine.start()
    deadline = time.monotonic() + 20
    while not machine.called("pip install") and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    (machine.state / "slow").unlink()
    code, _, err = machine.kiln()
    assert code == 0 and "making a private" in err and machine.called("pip install")


def test_two_at_once_make_one_environment(machine: Machine) -> None:
    machine.says("slow", "1")
    first = machine.start()
    while not machine.called("pip install"):
        time.sleep(0.02)
    second = machine.also()
    ended = [child.communicate(timeout=60) for child in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0]
    assert len(machine.called("pip install")) == 1
    assert "another run makes the Python environment" in ended[1][1]


def test_root_gets_what_is_missing(machine: Machine) -> None:
    machine.says("lacking", "ccache gdisk")
    code, _, err = machine.kiln()
    assert code == 0 and "kiln: installing host packages: ccache gdisk" in err and "kiln:   ccache" in err
    assert machine.called("^apt-get install -y --no-install-recommends ccache gdisk$")
    assert not machine.called("apt-get update|sudo")


def test_lists_are_fetched_only_when_a_package_is_not_known(machine: Machine) -> None:
    machine.says("lacking", "ccache")
    machine.says("no-lists")
    assert machine.kiln()[0] == 0
    words = [line.split()[1] for line in machine.called("^apt-get")]
    assert words == ["install", "update", "install"]


def test_a_user_who_may_sudo_gets_them_too(machine: Machine) -> None:
    machine.user(1000)
    machine.says("sudoer")
    machine.says("lacking", "ccache")
    assert machine.kiln()[0] == 0
    assert machine.called("^sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ccache$")


def test_a_user_who_may_not_gets_the_one_command(machine: Machine) -> None:
    machine.user(1000)
    machine.says("lacking", "ccache gdisk")
    machine.says("no-ensurepip")
    code, out, err = machine.kiln()
    command = "sudo apt-get install -y --no-install-recommends python3-venv ccache gdisk"
    assert (code, out, err) == (2, "", f"kiln: this machine lacks python3-venv ccache gdisk; install: {command}\n")
    assert not machine.called("^apt-get")


def test_no_python_at_all(machine: Machine) -> None:
    (machine.bin / "python3").unlink()
    code, _, err = machine.kiln()
    assert code == 0 and machine.called("apt-get install .* python3 python3-venv$")


def test_an_old_python_is_named(machine: Machine) -> None:
    machine.says("old")
    code, _, err = machine.kiln()
    assert (code, err) == (2, "kiln: Python 3.9.2 is too old, 3.11 is needed: Debian 12 and Ubuntu 24.04 have it\n")


def test_no_apt_get(machine: Machine) -> None:
    (machine.bin / "apt-get").unlink()
    machine.says("lacking", "ccache")
    code, _, err = machine.kiln()
    assert code == 2 and len(err.splitlines()) == 1 and "has no apt-get" in err


def test_a_failing_apt_get_is_told_in_one_line(machine: Machine) -> None:
    machine.says("lacking", "ccache")
    machine.program("apt-get", '#!/bin/sh\necho "E: Unable to fetch some archives"\nexit 100\n')
    code, _, err = machine.kiln()
    assert code == 2 and "could not be installed: E: Unable to fetch some archives; is the network there?" in last(err)


@pytest.mark.parametrize("word", ["-h", "doctor"])
def test_help_and_doctor_install_no_host_packages(word: str, machine: Machine) -> None:
    machine.user(1000)
    machine.says("lacking", "ccache")
    code, out, _ = machine.kiln(word)
    assert code == 0 and f"-m SCons -Q {word}" in out


def test_tests_get_their_own_requirements_in_the_same_environment(machine: Machine) -> None:
    machine.kiln()
    code, out, err = machine.kiln("test", "-m", "fast")
    assert (code, out) == (0, f"pytest in {machine.repo}: -m pytest -m fast\n")
    assert "making a private" not in err and machine.called("requirements-test.txt$") and machine.called("tests=True")
    machine.kiln("test")
    assert not machine.called("pip install")


def test_a_home_that_cannot_be_written(machine: Machine) -> None:
    code, _, err = machine.kiln(XDG_CACHE_HOME="/dev/null")
    assert (code, err) == (2, "kiln: cannot write to /dev/null/kiln; set XDG_CACHE_HOME to a folder that can be written\n")


def test_another_python_in_the_environment_is_not_ours(machine: Machine) -> None:
    machine.program("python3", PYTHON.replace('echo "python3', 'echo "${PYTHONHOME-none} ${PYTHONPATH-none} python3', 1))
    machine.kiln(PYTHONHOME="/else", PYTHONPATH="/else")
    assert not machine.called("/else")


def pinned(name: str) -> dict[str, int]:
    """Each requirement with its version, and how many hashes it has."""
    text = (share.root() / name).read_text()
    found: dict[str, int] = {}
    for block in re.split(r"\n(?=[a-z0-9])", re.sub(r"^ *#.*\n", "", text, flags=re.M)):
        if "==" in block:
            found[block.split()[0]] = len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block))
    return found


def test_requirements_are_pinned_by_hash_and_name_no_host() -> None:
    for name in ("requirements.txt", "requirements-test.txt"):
        assert len(pinned(name)) > 15 and all(pinned(name).values())
        lines = "\n".join(line.split("#")[0] for line in (share.root() / name).read_text().splitlines())
        assert not re.search(r"://|file:|index-url|find-links|trusted-host|@ ", lines)
    assert set(pinned("requirements.txt")) <= set(pinned("requirements-test.txt"))


def test_every_dependency_of_the_project_is_pinned() -> None:
    import tomllib

    project = tomllib.loads((share.root() / "pyproject.toml").read_text())["project"]
    for name, wanted in (("requirements.txt", project["dependencies"]), ("requirements-test.txt", project["optional-dependencies"]["test"])):
        have = {line.split("==")[0] for line in pinned(name)}
        assert {re.split(r"[<>=~ \[]", text)[0].lower() for text in wanted} <= have
