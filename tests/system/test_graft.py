# SPDX-License-Identifier: Apache-2.0
"""What was built goes into a team's tree as a component, its own build.sh ships it, and it comes out again byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from system.trees import PROJECTS, TEMPLATE, fake_toolchain, git, synced

from kiln import share, stamp
from kiln.errors import Refused
from kiln.results import Artifact
from kiln.system import described, generations, graft, sandbox, script

PARTITION = 256 << 20
CONFIG, OVERLAY = "vendor/kiln/virt/config.json", "vendor/kiln/virt/subsystem_config_overlay.json"
INIT, CONF = "device/board/kiln/virt/cfg/init.virt.cfg", "device/board/kiln/virt/image_conf/vendor_image_conf.txt"
BUILT = {"/vendor/bin/llama-server": 30_000, "/vendor/lib64/kiln/libllama.so": 5_000, "/vendor/models/model.gguf": 3_000_000}
HOMES = {"3.2": "foundation/ai/kiln", "5.1": "vendor/kiln/kiln"}


class Team:
    """A team's tree of git repositories, and what was built for it."""

    def __init__(self, root: Path, generation: str, built: Mapping[str, int] = BUILT) -> None:
        root.mkdir()
        musl = root / "libc.so"
        musl.write_bytes(b"not really musl")
        self.generation, self.row = generation, generations.named(generation)
        self.tree = sandbox.make(TEMPLATE, root / "ohos", fake_toolchain(root / "sdk"), musl, self.row)
        self.home = HOMES.get(generation, HOMES["5.1"])
        synced(self.tree)
        (root / "built").mkdir()
        self.items = [self.make(root / "built", dest, size) for dest, size in built.items()]
        cfg = root / "built/kiln.cfg"
        cfg.write_text(json.dumps({"jobs": [], "services": [{"name": "kiln-llm", "path": ["/vendor/bin/llama-server"], "uid": 6900}]}))
        self.items.append(self.artifact(cfg, "/vendor/etc/kiln.cfg"))

    def make(self, folder: Path, dest: str, size: int, byte: bytes = b"k") -> Artifact:
        file = folder / os.path.basename(dest)
        file.write_bytes(byte * size)
        return self.artifact(file, dest)

    @staticmethod
    def artifact(file: Path, dest: str) -> Artifact:
        return Artifact(file, dest, 0o755 if "/bin/" in dest else 0o644, 0, 0, "", "test", stamp.digest(file), file.stat().st_size)

    def graft(self, partition: int = PARTITION) -> tuple[str, ...]:
        return graft.graft(self.tree, described.find(self.tree, "virt"), self.row, self.items, partition)

    def status(self) -> str:
        """Without what gn itself unpacks beside sources."""
        return "".join(git(self.tree / path, "status", "--porcelain") for path in PROJECTS).replace("?? mindspore-src/", "").strip()

    def files(self) -> dict[str, tuple[int, int, bytes]]:
        """Everything but git's own: mode, time and bytes."""
        return {path.relative_to(self.tree).as_posix(): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes())
                for path in self.tree.rglob("*") if path.is_file() and not {".git", ".repo", "prebuilts", "out"} & set(path.relative_to(self.tree).parts)}

    def build(self, folder: Path) -> dict[str, int]:
        """build.sh as the team types it; the files of vendor.img with their sizes."""
        argv = ["./build.sh", "--product-name", "virt", *(["--disable-package-image"] if self.generation == "3.2" else [])]
        env = {"HOME": str(folder), "PATH": script.PATH, "SOURCE_DATE_EPOCH": "1767225600"}
        folder.mkdir(exist_ok=True)
        done = subprocess.run(argv, cwd=self.tree, env=env, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        image = self.tree / "out/virt/packages/phone/images/vendor.img"
        return {name: size for name, size in _listed(image, "/")} | {"": image.stat().st_size}


def _listed(image: Path, folder: str) -> Iterator[tuple[str, int]]:
    said = subprocess.run(["debugfs", "-R", f"ls -p {folder}", str(image)], text=True, capture_output=True,
                          env={**os.environ, "PATH": script.PATH}).stdout
    for line in said.splitlines():
        row = line.split("/")
        if len(row) < 7 or row[5] in (".", "..", "lost+found"):
            continue
        path = f"{folder.rstrip('/')}/{row[5]}"
        if row[2].startswith("04"):
            yield from _listed(image, path)
        else:
            yield path, int(row[6])


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path / "team", "5.1")


@pytest.mark.parametrize("generation", ["3.2", "4.0", "5.1", "6.1"])
def test_the_teams_own_build_ships_it_until_it_is_taken_out(tmp_path: Path, generation: str) -> None:
    team = Team(tmp_path / "team", generation)
    bare, before = team.build(tmp_path / "home"), team.files()
    assert not team.status()
    said = team.graft()
    assert f"component kiln in {team.home}: 4 files, " in said[0] and f"  entry in {CONFIG}" in said
    assert (team.tree / OVERLAY).exists() == (generation != "3.2")          # 3.2's loader knows no overlay
    shipped = team.build(tmp_path / "home")
    assert shipped == {**bare, **{item.dest.removeprefix("/vendor"): item.size for item in team.items}, "/etc/init.virt.cfg": shipped["/etc/init.virt.cfg"],
                       "": shipped[""]}
    assert shipped[""] > bare[""] and shipped["/etc/init.virt.cfg"] > bare["/etc/init.virt.cfg"]
    listed = json.loads((team.tree / "out/preloader/virt/parts.json").read_text())
    assert listed["kiln"]["subsystem"] == ("ai" if generation == "3.2" else "kiln")
    assert graft.ungraft(team.tree) == (f"the component {team.home} is out of virt",)
    after = team.files()
    assert {name: (mode, data) for name, (mode, _, data) in after.items()} == {name: (mode, data) for name, (mode, _, data) in before.items()}
    assert not team.status() and not (team.tree / team.home).exists()
    assert team.build(tmp_path / "home") == bare


def test_grafting_twice_changes_nothing_and_a_newer_build_replaces(team: Team, tmp_path: Path) -> None:
    first = team.graft()
    before = team.files()
    assert team.graft() == first and team.files() == before
    (tmp_path / "new").mkdir()
    team.items[2] = team.make(tmp_path / "new", "/vendor/models/model.gguf", 9_000_000, b"n")
    del team.items[1]
    team.graft()
    assert (team.tree / team.home / "files/vendor/models/model.gguf").stat().st_size == 9_000_000
    assert not (team.tree / team.home / "files/vendor/lib64/kiln/libllama.so").exists()
    size = int((team.tree / CONF).read_text().splitlines()[2])
    assert 67108864 + 9_000_000 < size < 67108864 + 12_000_000               # grown from the team's own size, not from ours
    graft.ungraft(team.tree)
    assert not team.status()


def test_work_of_the_team_in_those_very_files_stays(team: Team) -> None:
    config = team.tree / CONFIG
    mine = config.read_bytes().replace(b'"version": "3.0"', b'"version": "mine"').replace(b"\n", b"\r\n")
    config.write_bytes(mine)
    (team.tree / OVERLAY).write_text('{"mine": {"path": "vendor/mine", "name": "mine"}}')
    team.graft()
    assert json.loads((team.tree / OVERLAY).read_text()) == {"mine": {"path": "vendor/mine", "name": "mine"},
                                                             "kiln": {"path": "vendor/kiln/kiln", "name": "kiln"}}
    assert b"\n" not in config.read_bytes().replace(b"\r\n", b"")
    later = config.read_bytes().replace(b'"mine"', b'"later"')               # the team works on while it is grafted
    config.write_bytes(later)
    graft.ungraft(team.tree)
    assert config.read_bytes() == mine.replace(b'"mine"', b'"later"')
    assert (team.tree / OVERLAY).read_text() == '{"mine": {"path": "vendor/mine", "name": "mine"}}'
    assert not git(team.tree / "device/board/kiln", "status", "--porcelain")


@pytest.mark.parametrize("undo", ["checkout", "clean", "both"])
def test_a_graft_that_a_sync_half_undid_is_healed(team: Team, undo: str) -> None:
    team.graft()
    whole = {name: data for name, (_, _, data) in team.files().items()}
    for path in ("vendor/kiln", "device/board/kiln"):
        if undo != "clean":
            git(team.tree / path, "checkout", "-q", ".")
        if undo != "checkout":
            git(team.tree / path, "clean", "-qfd")
    team.graft()
    now = {name: data for name, (_, _, data) in team.files().items()}
    if undo == "clean":                                                      # the list is lost: vendor's image has been grown for it already
        for one in (whole, now):
            del one[CONF], one[f"{team.home}/{graft.LIST}"]
    assert now == whole
    graft.ungraft(team.tree)
    left = team.status()
    assert not left if undo != "clean" else left.split() == ["M", CONF.removeprefix("device/board/kiln/")]


def test_what_was_changed_is_kept_and_told(team: Team) -> None:
    team.graft()
    model = team.tree / team.home / "files/vendor/models/model.gguf"
    model.write_bytes(b"a model of the team's own")
    with pytest.raises(Refused, match=r"model.gguf: was changed since it was grafted"):
        team.graft()
    config = team.tree / CONFIG
    config.write_text(config.read_text().replace('"component": "kiln",\n          "features": []', '"component": "kiln", "features": ["a = 1"]').replace(
        '"component": "kiln", "features": []', '"component": "kiln", "features": ["a = 1"]'))
    said = graft.ungraft(team.tree)
    assert said[1:] == (f"kept: {CONFIG} was changed since; take out by hand what is ours",
                        f"kept: {team.home}/files/vendor/models/model.gguf was changed since; take out by hand what is ours")
    assert model.read_bytes() == b"a model of the team's own" and "a = 1" in config.read_text()
    assert [path.name for path in (team.tree / team.home).rglob("*") if path.is_file()] == ["model.gguf"]
    with pytest.raises(Refused, match=r"config.json: has an entry kiln that is not the one that we would write"):
        team.graft()


def test_what_cannot_be_is_refused_before_anything_is_written(team: Team) -> None:
    before = team.files()
    with pytest.raises(Refused, match=r"vendor's image would have \d+ bytes, its partition has 67108864: model.gguf is too large by \d+ bytes"):
        team.graft(64 << 20)
    config = team.tree / CONFIG
    config.write_text("<<<<<<< HEAD\n" + config.read_text())
    with pytest.raises(Refused, match="no product virt.*is not JSON"):
        team.graft()
    git(team.tree / "vendor/kiln", "checkout", "-q", ".")
    init = team.tree / INIT
    text = init.read_text()
    init.write_text("[]")
    with pytest.raises(Refused, match=r"init.virt.cfg: is no JSON object"):
        team.graft()
    init.unlink()
    with pytest.raises(Refused, match=r"has no init.virt.cfg, which would start the server"):
        team.graft()
    init.symlink_to("/etc/passwd")
    with pytest.raises(Refused, match=r"init.virt.cfg: is no plain file"):
        team.graft()
    init.unlink()
    init.write_text(text)
    theirs = team.tree / team.home / "BUILD.gn"
    theirs.parent.mkdir()
    theirs.write_text("theirs\n")
    with pytest.raises(Refused, match=r"BUILD.gn: is there already, and not ours"):
        team.graft()
    theirs.unlink()
    theirs.parent.rmdir()
    team.items.append(team.make(team.tree.parent / "built", "/data/x/y", 3))
    with pytest.raises(Refused, match="/data/x/y is in no image that build.sh fills"):
        team.graft()
    assert {name: data for name, (_, _, data) in team.files().items()} == {name: data for name, (_, _, data) in before.items()}
    assert graft.ungraft(team.tree) == (f"nothing of ours is grafted into {team.tree}",)


def test_an_init_without_imports_and_a_product_without_ai_are_as_before_too(tmp_path: Path) -> None:
    team = Team(tmp_path / "team", "3.2")
    (team.tree / INIT).write_text('{"jobs": []}')
    config = team.tree / CONFIG
    config.write_text(config.read_text().replace('"subsystem": "ai"', '"subsystem": "other"'))
    before = {name: data for name, (_, _, data) in team.files().items()}
    team.graft()
    assert json.loads((team.tree / INIT).read_text())["import"] == ["/vendor/etc/kiln.cfg"]
    assert {"subsystem": "ai", "components": [{"component": "kiln", "features": []}]} in json.loads(config.read_text())["subsystems"]
    team.graft()
    graft.ungraft(team.tree)
    assert {name: data for name, (_, _, data) in team.files().items()} == before


KILLED = """
import os, pickle, sys
from kiln.system import described, graft
left = int(sys.argv[2])
def hook(event, words):
    global left
    if event in ("os.rename", "os.remove"):
        left -= 1
        if left < 0:
            os._exit(9)
tree, row, items, partition = pickle.load(open(sys.argv[1], "rb"))
found = described.find(tree, "virt")
sys.addaudithook(hook)
graft.ungraft(tree) if sys.argv[3] == "out" else graft.graft(tree, found, row, items, partition)
"""


@pytest.mark.parametrize("way", ["in", "out"])
def test_killed_at_any_file_the_next_run_finishes_and_the_tree_comes_back(team: Team, tmp_path: Path, way: str) -> None:
    import pickle

    (tmp_path / "task").write_bytes(pickle.dumps((team.tree, team.row, team.items, PARTITION)))
    before = {name: data for name, (_, _, data) in team.files().items()}
    for step in range(100):
        if way == "out":
            team.graft()
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "task"), str(step), way], env={**os.environ, "PYTHONPATH": str(share.root() / "site_scons")})
        assert done.returncode in (0, 9)
        if step % 2 and way == "in":
            team.graft()                                                     # the next run may go on, or take it out at once
        graft.ungraft(team.tree)
        assert {name: data for name, (_, _, data) in team.files().items()} == before, step
        if done.returncode == 0:
            break
    assert 8 < step < 99


def test_a_list_that_names_files_elsewhere_is_refused(team: Team) -> None:
    team.graft()
    file = team.tree / team.home / graft.LIST
    listed = json.loads(file.read_text())
    for name in ("/etc/passwd", "../x", "a/../../x"):
        file.write_text(json.dumps({**listed, "files": {name: "0"}}))
        with pytest.raises(Refused, match="names files outside of the tree"):
            graft.ungraft(team.tree)
    file.write_text('{"product": "virt"}')
    with pytest.raises(Refused, match="is no list of a graft"):
        graft.ungraft(team.tree)


def test_openharmonys_loader_sees_nothing_of_this_checkout() -> None:
    """It scans every folder of a subsystem, third_party too, for these two names; BUILD.gn is read only where a label leads to it."""
    names = subprocess.run(["git", "ls-files"], cwd=share.root(), text=True, capture_output=True, check=True).stdout.splitlines()
    assert names and not [name for name in names if os.path.basename(name) in ("bundle.json", "ohos.build")]
