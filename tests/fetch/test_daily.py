# SPDX-License-Identifier: Apache-2.0
"""Daily builds: the service in all its shapes and faults, and the pin that update= makes of what it says."""

from __future__ import annotations

import hashlib
import json
import random
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import faulty
import made_sdk as made
from faulty import SOON
from kiln import fetch, pin
from kiln.errors import FetchError, KilnError, Refused
from kiln.fetch import newer, rewrite, service
from kiln.fetch.stream import Unreachable

API = "/api/daily_build/build/list/component"
BODY = made.archive(made.NATIVE, random.Random(11).randbytes(400_000))
TODAY = "2026-08-01"


def archive(when: str, component: str = "ohos-sdk-public") -> str:
    return f"version/Daily_Version/{component}/{when}/version-Daily_Version-{component}-{when}-{component}.tar.gz"


def row(when: str, component: str = "ohos-sdk-public", **given: Any) -> dict[str, Any]:
    return {"component": component, "branch": "master", "versionName": "", "currentStatus": "end", "buildSuccess": True,
            "obsPath": archive(when, component), "testData": [], **given}


SHAPES = {
    "list": lambda rows: {"code": 200, "data": {"list": {"dataList": rows, "total": 9}}},
    "tasks": lambda rows: {"data": {"dailyBuildVos": rows}},
    "builds": lambda rows: {"data": {"builds": {"dataList": rows}}},
    "portal": lambda rows: {"result": {"dailyBuildVos": rows, "total": 1}},
}


@pytest.fixture
def sdk(server: faulty.Faulty) -> pin.Pin:
    """A pin of kind daily whose service and archives are the server's."""
    return pin.Pin(kind="daily", name="ohos-sdk-public", version="6.1-Release", file="old.tar.gz", url=server.url("/old.tar.gz"), sha256="1" * 64,
                   size=7, licence="Apache-2.0", service=server.url(API), downloads=server.url("/"), pin="ohos-sdk")


def told(server: faulty.Faulty, *rows: dict[str, Any], shape: str = "list") -> None:
    server.posts[API] = json.dumps(SHAPES[shape](list(rows))).encode()
    for one in rows:
        for name in ("obsPath", "imgObsPath"):
            server.files["/" + str(one.get(name, ""))] = BODY


def moved(sdk: pin.Pin, cache: Path, **wish: str) -> pin.Pin:
    return newer.move(sdk, newer.Wish(**wish), cache, today=TODAY, pace=SOON)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_newest_of_the_branch_is_pinned_as_first_seen(server: faulty.Faulty, sdk: pin.Pin, cache: Path, shape: str) -> None:
    told(server, row("20260720_020000"), row("20260728_180253"), row("20260730_020000", branch="OpenHarmony-6.1-Release"),
         row("20260731_020000", component="ohos-sdk-full"), row("20260731_030000", buildSuccess=False), shape=shape)
    new = moved(sdk, cache)
    assert new.version == "20260728_180253" and new.url == server.url("/" + archive("20260728_180253"))
    assert (new.sha256, new.size, new.trust, new.seen) == (hashlib.sha256(BODY).hexdigest(), len(BODY), "first-seen", TODAY)
    assert json.loads(server.told[0])["branch"] == "master" and json.loads(server.told[0])["component"] == "ohos-sdk-public"
    server.posts.clear()
    assert fetch.get(new, cache, offline=True).path.read_bytes() == BODY, "it is in the cache under its digest"


def test_a_day_and_a_branch(server: faulty.Faulty, sdk: pin.Pin, cache: Path) -> None:
    told(server, row("20260720_020000"), row("20260720_180253"), row("20260728_180253"), row("20260720_235000", branch="weekly"))
    assert moved(sdk, cache, date="20260720").version == "20260720_180253"
    assert json.loads(server.told[0])["startTime"] == "20260720000000"
    new = moved(sdk, cache, date="20260720", branch="weekly")
    assert new.branch == "weekly" and new.version == "20260720_235000"


def test_images_are_the_second_archive_of_their_component(server: faulty.Faulty, sdk: pin.Pin, cache: Path) -> None:
    path = "version/Daily_Version/OpenHarmony_7.0.0.38/20260728_180253/version-Daily_Version-OpenHarmony_7.0.0.38-20260728_180253-dayu200_img.tar.gz"
    told(server, row("20260728_180253", component="dayu200", imgObsPath=server.url("/") + path, obsPath=path.replace("_img", "")))
    server.files["/" + path] = BODY
    new = moved(replace(sdk, name="dayu200_img"), cache)
    assert new.version == "OpenHarmony_7.0.0.38 20260728_180253" and new.file.endswith("-dayu200_img.tar.gz")
    assert json.loads(server.told[0])["component"] == "dayu200"


def test_cut_at_twenty_random_bytes_it_fetches_nothing_twice(server: faulty.Faulty, sdk: pin.Pin, cache: Path) -> None:
    """First by update=, whose digest nobody knows, then by a build into another cache."""
    told(server, row("20260728_180253"))
    served = server.posts[API]
    for seed, get in ((5, lambda: moved(sdk, cache).sha256),
                      (6, lambda: fetch.get(replace(sdk, url=server.url("/" + archive("20260728_180253")), sha256=hashlib.sha256(BODY).hexdigest(),
                                                    size=len(BODY)), cache.with_name("another"), pace=SOON).input.sha256)):
        server.posts.clear() if seed == 6 else None
        newest = json.loads(served)
        assert newest
        server.sent = 0
        server.cuts = deque([10**9] * (seed == 5) + [random.Random(seed).randrange(1, 2 * len(BODY) // 20) for _ in range(20)])
        assert get() == hashlib.sha256(BODY).hexdigest()
        again = server.sent - len(BODY) - (len(served) if seed == 5 else 0)
        assert 0 <= again < len(BODY) / 100, f"{again} bytes came twice"


def test_a_removed_daily_says_what_else_there_is(server: faulty.Faulty, sdk: pin.Pin, cache: Path) -> None:
    with pytest.raises(FetchError, match="is no longer there .*: dailies are removed.*scons update=ohos-sdk.*mirror=DIR.*sdk=PATH") as one:
        fetch.get(sdk, cache, pace=SOON)
    assert "\n" not in str(one.value)
    image = replace(sdk, name="dayu200_img", pin="dayu200-image")
    with pytest.raises(FetchError, match="scons update=dayu200-image.*mirror=DIR.*base=DIR"):
        fetch.get(image, cache, pace=SOON)
    server.statuses = deque([403])     # as a store of objects says it that does not tell strangers what it has
    with pytest.raises(FetchError, match=r"is no longer there \(403 Forbidden\).*scons update=dayu200-image.*mirror=DIR.*base=DIR"):
        fetch.get(image, cache, pace=SOON)
    assert "is no longer there" not in str(_refused(replace(image, url="http://127.0.0.1:9/x"), cache))


def _refused(one: pin.Pin, cache: Path, **how: bool) -> FetchError | Refused:
    with pytest.raises((FetchError, Refused)) as told:
        fetch.get(one, cache, pace=SOON, **how)
    assert "\n" not in str(told.value)
    return told.value


def test_without_a_network_it_is_told_what_can_be_given_instead(sdk: pin.Pin, cache: Path) -> None:
    away = "http://127.0.0.1:9/x"
    cases = ((replace(sdk, name="dayu200_img", url=away), "base=DIR takes images of your own"), (replace(sdk, url=away), "sdk=PATH takes an SDK of your own"),
             (replace(sdk, kind="https", file="a.gguf", url=away), "model=FILE takes a GGUF of your own"))
    for one, says in cases:
        assert str(_refused(one, cache)).endswith(f"offline=1 build without a network; {says}")
        assert str(_refused(one, cache, offline=True)).endswith(f"mirror=DIR of a bundle; {says}")
    assert str(_refused(replace(sdk, kind="https", url=away), cache)).endswith("without a network")


@pytest.mark.parametrize("answer,says", [
    (b"", "something else where JSON"),
    (b"<!DOCTYPE html><html><title>Sign\x1b[2J in</title>", "answers with HTML where JSON was expected: 'Sign in'"),
    (b'{"data": {"list": {"dataList": []}}}', "lists no finished ohos-sdk-public of master of the last 30 days; give another date"),
    (b'{"code": 500, "message": "system busy"}', "in a shape that is not known: system busy"),
    (b'{"pages": [], "total": 3}', "its keys are pages, total"),
    (b'[1, 2]', "a list"),
    (b'null', "a NoneType"),
    (b"[" * 100_000, "something else where JSON"),
    (json.dumps({"data": ["x", 3, None, {"obsPath": None}, {"obsPath": ["x"]}, {"component": {}}]}).encode(), "lists no finished"),
    (json.dumps(SHAPES["list"]([row("20260728_180253", component="LLVM-19")])).encode(), "it lists LLVM-19 of master"),
    (json.dumps(SHAPES["list"]([row("20260728_180253", obsPath="file:///etc/20260728_180253.tar.gz")])).encode(), "lists no finished"),
    (json.dumps(SHAPES["list"]([row("20260728_180253", obsPath="x/20260728_180253/a'\"\n# b.tar.gz")])).encode(), "lists no finished"),
    (json.dumps(SHAPES["list"]([row("20260728_180253", obsPath="version/20260728_180253/gone.tar.gz")])).encode(), "is no longer there"),
])
def test_a_faulty_service_is_one_line(server: faulty.Faulty, sdk: pin.Pin, cache: Path, answer: bytes, says: str) -> None:
    server.posts[API] = answer
    with pytest.raises(KilnError) as one:
        moved(sdk, cache)
    assert says in str(one.value) and "\n" not in str(one.value) and "\x1b" not in str(one.value)
    assert not list((cache / "blobs").rglob("?" * 64))


def test_a_service_that_cuts_is_asked_again_and_one_that_goes_on_cutting_is_told(server: faulty.Faulty, sdk: pin.Pin, cache: Path) -> None:
    told(server, row("20260728_180253"))
    server.statuses, server.cuts = deque([502]), deque([10])
    assert moved(sdk, cache).version == "20260728_180253"
    server.cuts = deque([10] * SOON.tries)
    with pytest.raises(FetchError, match=r"127.0.0.1:\d+/api.* cuts .*, 3 times; try again later"):
        moved(sdk, cache)


def test_a_service_that_moved_or_is_absent(server: faulty.Faulty, sdk: pin.Pin, cache: Path) -> None:
    with pytest.raises(FetchError, match="answers 404 where a list was expected.*`service` of the pin's file"):
        moved(sdk, cache)
    server.redirect, server.statuses = {API: "/elsewhere"}, deque([302])
    with pytest.raises(FetchError, match="answers 302"):
        moved(sdk, cache)
    with pytest.raises(Unreachable, match="cannot be reached"):
        moved(replace(sdk, service="http://127.0.0.1:9/api"), cache)
    with pytest.raises(FetchError, match="no address that we can ask"):
        moved(replace(sdk, service="not an address"), cache)


def test_a_huge_answer_and_a_slow_one_end(server: faulty.Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    server.posts[API] = b" " * (service.LARGEST + 2)
    with pytest.raises(FetchError, match="more than 16 MiB; ask for one day"):
        service.ask(server.url(API), {}, SOON)
    server.posts[API], server.drip = b" " * 1000, 0.02
    with pytest.raises(FetchError, match="not finished its answer after 0 seconds"):
        service.ask(server.url(API), {}, SOON, patience=0.2)


def test_the_file_keeps_its_comments_and_its_order(tmp_path: Path, sdk: pin.Pin) -> None:
    text = ("# Why this one: it is the last that builds.\nkind: daily\nname: ohos-sdk-public   # the component\nversion: 6.1-Release\n"
            "licence: Apache-2.0\nfile: old.tar.gz\n# computed by us\nsha256: " + "1" * 64 + "\nsize: 7\nurl: http://127.0.0.1/old.tar.gz # moves\n"
            "mirrors:\n  - kind: https\n    url: http://127.0.0.1/other\n")
    file = tmp_path / "ohos-sdk.yaml"
    file.write_text(text)
    old = pin.load("ohos-sdk", tmp_path)
    new = replace(old, version="20260728_180253", file="new.tar.gz", url="http://127.0.0.1/a%20b/new.tar.gz", sha256="2" * 64, size=9, seen=TODAY,
                  trust="first-seen", mirrors=())
    lines = rewrite.rewrite(file, old, new)
    assert pin.load("ohos-sdk", tmp_path) == new
    assert file.read_text().splitlines()[:4] == ["# Why this one: it is the last that builds.", "kind: daily",
                                                 "name: ohos-sdk-public   # the component", 'version: "20260728_180253"']
    assert "# computed by us" in file.read_text() and "# moves" in file.read_text() and "mirrors" not in file.read_text()
    assert "  - version: 6.1-Release" in lines and '  + version: "20260728_180253"' in lines


def test_a_file_written_otherwise_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "thing.yaml"
    file.write_text("{kind: https, version: one, file: a, licence: MIT, size: 1, url: 'http://x/', sha256: '" + "1" * 64 + "'}\n")
    old, before = pin.load("thing", tmp_path), file.read_text()
    with pytest.raises(Refused, match="vendor/thing.yaml: is written in a way.*by hand: version: two"):
        rewrite.rewrite(file, old, replace(old, version="two"))
    assert file.read_text() == before


def test_what_cannot_be_moved_says_so(server: faulty.Faulty, sdk: pin.Pin, cache: Path) -> None:
    with pytest.raises(Refused, match="a pin of kind path is not moved by a service; edit it by hand"):
        moved(replace(sdk, kind="path", path="x"), cache)
    with pytest.raises(Refused, match="date= and branch= choose among daily builds, and ohos-sdk is of kind https"):
        moved(replace(sdk, kind="https"), cache, date="20260720")


def test_an_address_whose_bytes_moved_is_pinned_anew(server: faulty.Faulty, sdk: pin.Pin, cache: Path) -> None:
    server.files["/old.tar.gz"] = BODY
    new = moved(replace(sdk, kind="https"), cache)
    assert (new.version, new.sha256, new.size, new.trust) == (sdk.version, hashlib.sha256(BODY).hexdigest(), len(BODY), "first-seen")
    assert moved(new, cache) == new, "the second time nothing moves"


@pytest.mark.parametrize("sent", [b"<html>the file is not here</html>", BODY[:-30], BODY[:200], b""])
def test_what_is_no_whole_archive_is_not_pinned(server: faulty.Faulty, sdk: pin.Pin, cache: Path, sent: bytes) -> None:
    """A page with 200 OK, and a Content-Length that is shorter than the file: no digest tells, so the archive itself must."""
    told(server, row("20260728_180253"))
    server.files["/" + archive("20260728_180253")] = sent
    with pytest.raises(FetchError, match="what came is no whole archive: it|does not say how long it is") as one:
        moved(sdk, cache)
    assert "\n" not in str(one.value) and not list((cache / "partial").iterdir())
    told(server, row("20260728_180253"))
    assert moved(sdk, cache).sha256 == hashlib.sha256(BODY).hexdigest()


def test_a_length_that_nobody_tells_is_refused(server: faulty.Faulty, sdk: pin.Pin, cache: Path) -> None:
    server.files["/old.tar.gz"], server.chunked = BODY, True
    with pytest.raises(FetchError, match="old.tar.gz: does not say how long it is"):
        moved(replace(sdk, kind="https"), cache)
