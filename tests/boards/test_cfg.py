# SPDX-License-Identifier: Apache-2.0
"""The init's reading of cfg files, run on this machine: what the real init takes or drops, and hostile JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from boards import small

from kiln import initrd, run, share

pytestmark = pytest.mark.ci


@pytest.fixture(scope="session")
def init(virt: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The virtual board's init, compiled for this machine by the product's compiler."""
    into = tmp_path_factory.mktemp("init") / "init"
    return initrd.compile_init(share.folder("sandbox") / "board", virt.toolchain("x86_64"), into, log=None)


@pytest.fixture
def parse(init: Path, tmp_path: Path) -> Any:
    """parse(text) -> what init understood and complained about."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("shell:x:2000:2000:::\n")
    (tmp_path / "etc" / "group").write_text("shell:x:2000:\n")

    def read(text: str | bytes, name: str = "etc/x.cfg") -> str:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return run.run([init, "--parse", tmp_path, "/etc/x.cfg"], timeout=20, keep=1000).text

    return read


def one(**more: Any) -> str:
    return json.dumps({"services": [{"name": "a", "path": ["/bin/a"], **more}]})


@pytest.mark.parametrize("text", [
    "", "{", "[", '{"a"', '{"a":}', '{"a":1,}', "[1,]", "{'a':1}", '{"a":1}{', '{"a":01}', '{"a":1.}', '{"a":.5}', '{"a":+1}', '{"a":1e}',
    '{"a":tru}', '{"a":"\n"}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a":"\\u0000"}', '{"a":"\\ud800"}', '{"a":"\\ud800\\u0041"}', '{"a":"\\udc00"}',
    '{"a":"x', '{"a":"\\', '{"a":1,"a":2}', "// no\n{}", "\ufeff{}", "{}\0", "[" * 100000, '{"a":' * 100000, '"' + "x" * (1 << 20) + '"',
    "1" * 70, "nul", "{}" + " " * (1 << 20), '{"a" 1}', '{1:2}'])
def test_what_is_not_json_is_refused_with_its_line(parse: Any, text: str) -> None:
    said = parse(text)
    assert "/etc/x.cfg: line " in said and "service" not in said


@pytest.mark.parametrize("text", ["{}", " \t\r\n{ }\n", '{"import":[],"jobs":[],"services":[]}'])
def test_an_empty_cfg_is_one(parse: Any, text: str) -> None:
    assert parse(text) == ""


def test_rubbish_never_crashes_it(parse: Any) -> None:
    import random

    dice = random.Random(4)
    whole = small.cfg(small.service("a", "/bin/a", "b", env=[{"name": "X", "value": "\u00e9\\\"\n"}], critical=[1, 2, 3], cpucore=[0]),
                      imports=("/etc/${ohos.boot.hardware}.cfg",), jobs=({"name": "boot", "cmds": ["mkdir /x"]},)).encode()
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(broken))
            broken[at:at + dice.randint(0, 3)] = bytes(dice.randrange(256) for _ in range(dice.randint(0, 3)))
        parse(bytes(broken))           # a signal or another exit code raises


def test_a_service_as_it_should_be(parse: Any) -> None:
    said = parse(one(uid="shell", gid=["shell", 7], once=1, disabled=0, importance=-5, sandbox=0, secon="u:r:su:s0", **{"start-mode": "boot"},
                     env=[{"name": "N", "value": "v w"}], path=["/bin/a", "b c"], ondemand=False, caps=["NET_RAW"], critical=[0, 5, 10]))
    assert said == "service a mode=boot once=1 disabled=0 uid=2000 gid=2000 nice=-5 secon=u:r:su:s0 path=/bin/a b c N=v w"


@pytest.mark.parametrize("more,why", [
    ({"name": 1}, "name must be a string"), ({"name": "x" * 33}, "name is empty or too long"), ({"name": ""}, "name is empty or too long"),
    ({"path": "/bin/a"}, "path must be an array of strings"), ({"path": []}, "path must be an array of strings"),
    ({"path": ["/a"] * 20}, "path has more than 19 strings"), ({"path": ["/a", 1]}, "path must be an array of strings"),
    ({"path": ["a"]}, "path must begin with an absolute path"), ({"path": ["/a", "x" * 201]}, "path holds a string of more than 200"),
    ({"uid": "stranger"}, "uid stranger is not in /etc/passwd"), ({"uid": -1}, "uid must be a name or a number"), ({"uid": 1.5}, "uid must be"),
    ({"gid": []}, "gid is empty"), ({"gid": [[]]}, "gid must be a name or a number"), ({"gid": {}}, "gid"),
    ({"once": True}, "once must be 0 or 1"), ({"once": "1"}, "once must be 0 or 1"), ({"once": 2}, "once"),
    ({"disabled": None}, "disabled"), ({"sandbox": False}, "sandbox is not a whole number"), ({"ondemand": 1}, "ondemand must be true or false"),
    ({"importance": 20}, "importance"), ({"importance": 1e300}, "importance"), ({"cpucore": 0}, "cpucore must be an array"),
    ({"cpucore": [64]}, "cpucore"), ({"start-mode": "later"}, "start-mode must be boot, normal or condition"),
    ({"env": {}}, "env must be an array"), ({"env": [{"name": "A"}]}, "env must hold"), ({"env": [{"name": "A", "value": 1}]}, "env must hold"),
    ({"env": [{"name": "A", "value": "x" * 129}]}, "env A: a name has at most 64"), ({"env": [{"name": "A=B", "value": ""}]}, "env must hold"),
    ({"critical": True}, "critical"), ({"critical": [1, 2, 3, 4]}, "critical must be"), ({"critical": 1, "ondemand": True}, "ondemand cannot be critical"),
    ({"secon": 1}, "secon must be a string"), ({"jobs": []}, "jobs must be an object"),
])
def test_a_wrong_type_drops_the_service(parse: Any, more: dict[str, Any], why: str) -> None:
    said = parse(one(**more))
    assert "is dropped: " in said and why in said and "mode=" not in said


def test_the_longest_allowed_are_taken(parse: Any) -> None:
    said = parse(one(name="n" * 32, path=["/" + "a" * 199] + ["b" * 200] * 18, env=[{"name": "E" * 64, "value": "v" * 128}]))
    assert "dropped" not in said and "mode=normal" in said


def test_the_second_service_of_a_name_is_dropped(parse: Any) -> None:
    two = {"name": "a", "path": ["/bin/a"]}
    assert "name is taken by an earlier service" in parse(json.dumps({"services": [two, two]}))


def test_more_services_than_the_real_init_takes(parse: Any) -> None:
    said = parse(json.dumps({"services": [{"name": f"s{n}", "path": ["/a"]} for n in range(101)]}))
    assert "more than 100 services" in said


def test_an_import_is_expanded_and_jobs_are_appended(parse: Any, tmp_path: Path) -> None:
    (tmp_path / "etc" / "init.virt.cfg").write_text(small.cfg(jobs=({"name": "boot", "cmds": ["second"]},)))
    said = parse(small.cfg(imports=("/etc/init.${ohos.boot.hardware}.cfg", "/etc/none.cfg", "/etc/${not.set}"),
                           jobs=({"name": "boot", "cmds": ["first"]},)))
    assert said.index("job boot: first") < said.index("job boot: second")
    assert "/etc/none.cfg: No such file or directory" in said and "an import names no file: /etc/${not.set}" in said


def test_a_cfg_that_imports_itself_ends(parse: Any) -> None:
    assert "imported too deeply" in parse(small.cfg(imports=("/etc/x.cfg",)))


@pytest.mark.parametrize("top", ["services", "jobs", "import"])
def test_a_section_of_another_type(parse: Any, top: str) -> None:
    assert f"{top} must be an array, not an object" in parse(json.dumps({top: {}}))


def test_unknown_keys_are_told_and_kept_harmless(parse: Any) -> None:
    said = parse('{"extra":1,"services":[{"name":"a","path":["/a"],"nmae":2}]}')
    assert "unknown key extra" in said and "unknown key nmae" in said and "service a mode=normal" in said


def test_it_is_no_program_for_a_shell(init: Path) -> None:
    assert run.run([init], ok=(2,)).tail[-1].startswith("init of Kiln's virtual board")
