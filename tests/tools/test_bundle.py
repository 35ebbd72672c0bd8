# SPDX-License-Identifier: Apache-2.0
"""`scons bundle`, and a build out of one where there is no network but loopback; a flipped byte is refused, and named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, Built, copied, scons

from kiln import fetch, pin
from kiln.errors import DigestError, Refused
from kiln.fetch import bundle as room
from kiln.fetch.cache import Cache

PINS = ("linux-arm64", "llama.cpp", "musl-arm64", "ziglang")
# A network namespace of its own has loopback only, and that is off until somebody sets it up: SIOCSIFFLAGS, IFF_UP.
_UP = ("import fcntl, os, socket, struct, sys; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 1)); "
       "os.execvp(sys.argv[1], sys.argv[1:])")
ALONE = ["unshare", *([] if os.getuid() == 0 else ["-r"]), "-n", sys.executable, "-c", _UP]


@pytest.fixture(scope="module")
def bundle(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("bundle") / "of virt"
    done = scons("product=virt", "bundle", f"into={into}", f"build={into.parent / 'build'}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 inputs, 190 MiB, of which 190 MiB were copied now" in done.stdout, done.stdout
    assert "it holds no packages of the distribution" in done.stdout and not (into.parent / "build" / "src").exists()
    return into


def alone(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A run with loopback only. Skips where this machine allows no namespace."""
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here: root or unprivileged user namespaces are needed")
    reach = "import socket; socket.create_connection(('192.0.2.1', 80), 3)"
    assert "unreachable" in subprocess.run([*ALONE, sys.executable, "-c", reach], capture_output=True, text=True, check=False).stderr
    return subprocess.run([*ALONE, *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=5400, env={**os.environ, **env})


@pytest.mark.ci
def test_what_is_in_it(bundle: Path) -> None:
    index = json.loads((bundle / "index.json").read_text())
    assert [row["name"] for row in index["inputs"]] == list(PINS) and list(index["products"]) == ["virt"]
    for row in index["inputs"]:
        assert (bundle / "blobs/sha256" / row["sha256"][:2] / row["sha256"]).stat().st_size == row["size"]
    assert str(ROOT) not in (bundle / "index.json").read_text() and str(bundle) not in (bundle / "index.json").read_text()
    assert len(list((bundle / "wheels").glob("*.whl"))) > 10


@pytest.mark.ci
def test_a_second_run_copies_nothing_and_a_third_heals(bundle: Path, tmp_path: Path) -> None:
    words = ("product=virt", "bundle", f"into={bundle}", f"build={tmp_path / 'build'}")
    assert "of which 0 B were copied now" in scons(*words).stdout
    blob = Cache(bundle).blob(pin.load("musl-arm64").sha256)
    flip(blob)
    assert "of which 383 KiB were copied now" in scons(*words).stdout


def flip(blob: Path) -> None:
    blob.chmod(0o644)
    with blob.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.ci
@pytest.mark.parametrize("name", PINS)
def test_one_flipped_byte_in_any_input_is_refused_and_named(bundle: Path, tmp_path: Path, name: str) -> None:
    wanted = pin.load(name)
    blob = Cache(bundle).blob(wanted.sha256)
    flip(blob)
    try:
        with pytest.raises(DigestError) as one:
            fetch.get(wanted, tmp_path / "cache", mirror=bundle, offline=True)
        assert str(one.value).startswith(f"{name}: mirror={bundle}: has sha256 ") and f"where {wanted.sha256} is pinned" in str(one.value)
    finally:
        flip(blob)
    assert fetch.get(wanted, tmp_path / "cache", mirror=bundle, offline=True).input.sha256 == wanted.sha256


@pytest.mark.ci
def test_a_fresh_clone_builds_the_same_image_without_a_network(bundle: Path, virt: Built, cache: Path, tmp_path: Path) -> None:
    """Every input out of the bundle, by an empty cache; kept results (SDK, llama.cpp) out of the user's, to save ten minutes: see the next test."""
    clone, empty = copied(tmp_path / "clone"), tmp_path / "cache"
    empty.mkdir()
    (empty / "made").symlink_to(cache / "made")
    done = alone(sys.executable, "-m", "SCons", "-Q", "image", f"mirror={bundle}", "offline=1", f"cache={empty}", cwd=clone)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (clone / "build/virt/manifest.json").read_bytes() == (virt.product / "manifest.json").read_bytes()
    assert sorted(file.name for file in (empty / "blobs/sha256").glob("??/*")) == sorted(
        row["sha256"] for row in json.loads((bundle / "index.json").read_text())["inputs"] if row["name"] != "linux-arm64")


@pytest.mark.long
def test_everything_anew_without_a_network(bundle: Path, virt: Built, tmp_path: Path) -> None:
    """A clone, an empty home, no kept results, no compiler cache, the private Python environment out of the bundle's wheels."""
    clone = copied(tmp_path / "clone")
    done = alone("./kiln", "image", f"mirror={bundle}", "offline=1", "made=0", "ccache=0", cwd=clone, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (clone / "build/virt/manifest.json").read_bytes() == (virt.product / "manifest.json").read_bytes()


@pytest.mark.ci
def test_without_a_bundle_it_says_what_is_missing(tmp_path: Path) -> None:
    done = alone(sys.executable, "-m", "SCons", "-Q", "image", "offline=1", f"cache={tmp_path / 'cache'}", f"build={tmp_path / 'build'}", cwd=ROOT)
    assert done.returncode == 2 and "is not in the cache, and offline=1 forbids to fetch it; run once with the network, or give mirror=DIR of a bundle" in done.stderr


@pytest.mark.parametrize("held,says", [
    ({"letter.txt": "dear"}, "holds other things than a bundle: letter.txt; give into=ANOTHER_FOLDER"),
    ({"index.json": "{}"}, "holds other things than a bundle: index.json"),
    ({"index.json": "\x80", "x": ""}, "holds other things than a bundle: index.json"),
    ({"index.json": '{"kiln bundle": 2, "inputs": [], "products": {}}'}, "is a bundle of another layout: 2"),
])
def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path, held: dict[str, str], says: str) -> None:
    for name, text in held.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(Refused) as one:
        room.check(tmp_path)
    assert says in str(one.value)
    done = scons("bundle", f"into={tmp_path}", f"build={tmp_path / 'build'}")
    assert done.returncode == 2
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name != "build") == sorted(held)


def test_an_empty_folder_and_one_of_a_cut_run_will_do(tmp_path: Path) -> None:
    assert room.check(tmp_path / "none")["inputs"] == [] and room.check(tmp_path)["inputs"] == []
    (tmp_path / "blobs").mkdir()
    assert room.check(tmp_path)["inputs"] == []
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="is no folder"):
        room.check(tmp_path / "file")
    shutil.rmtree(tmp_path / "blobs")
