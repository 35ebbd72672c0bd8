# SPDX-License-Identifier: Apache-2.0
"""An archive of OpenHarmony's daily builds: `name` is the component (ohos-sdk-public, dayu200_img), `url` the archive itself.

A build fetches the `url` alone; only `update=` asks the `service`. Nobody publishes digests of dailies, so a pin is of
what came first; and dailies are removed after some weeks. The service answers in several shapes, by address and age:
all known ones are taken. A component that ends in _img is the images of the one without, under `imgObsPath`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from kiln.errors import FetchError, one_line
from kiln.fetch import service, stream
from kiln.fetch.ask import Ask
from kiln.fetch.kinds import https
from kiln.fetch.newer import Newer, Wish
from kiln.fetch.part import Part
from kiln.pin import Pin

SERVICE = "https://dcp.openharmony.cn/api/daily_build/build/list/component"
DOWNLOADS = "https://cidownload.openharmony.cn/"
DAYS = 30                              # how far back we look for the newest, as OpenHarmony's own download_sdk.py
ROWS = 1000
_IMAGES = "_img"
_WHEN = re.compile(r"(?<!\d)(20\d{6})[_/ T-]?(\d{6})(?!\d)")
_PATH = re.compile(r"[\w.+@%:~/-]{1,1000}")
_LISTS = (("data", "list", "dataList"), ("data", "dailyBuildVos"), ("data", "builds", "dataList"), ("result", "dailyBuildVos"),
          ("data", "dataList"), ("data", "list"), ("data",), ("result",))


@dataclass(frozen=True)
class Build:
    """One row of an answer: `when` is YYYYMMDD_HHMMSS, `url` the archive."""

    component: str
    branch: str
    version: str
    when: str
    url: str


def place(pin: Pin) -> str:
    """Host and path of the archive."""
    return stream.shown(pin.url)


def fetch(pin: Pin, part: Part, ask: Ask) -> None:
    """Download the archive. Raises FetchError; one that was removed is told as such."""
    try:
        https.fetch(pin, part, ask)
    except FetchError as error:
        if not error.what.startswith(("403", "404", "410")):
            raise
        raise FetchError(f"is no longer there ({error.what}): dailies are removed after some weeks",
                         hint=f"scons update={pin.pin or pin.name} pins a newer one, mirror=DIR takes a bundle that has it, {pin.instead}") from error


def newest(pin: Pin, wish: Wish, ask: Ask) -> Newer:
    """The newest successful build of that branch, of that day if one is wished. Raises FetchError."""
    branch = wish.branch or pin.branch or "master"
    component = pin.name.removesuffix(_IMAGES)
    first, last = _span(wish.date)
    address = pin.service or SERVICE
    answer = service.ask(address, _question(component, branch, first, last), ask.pace)
    every = list(_builds(_rows(answer, address), pin))
    fits = [one for one in every if one.component in (component, pin.name) and one.branch in ("", branch) and one.when.startswith(wish.date)]
    if not fits:
        others = sorted({f"{one.component} of {one.branch or branch}" for one in every})[:8]
        raise FetchError(f"{stream.shown(address)} lists no finished {pin.name} of {branch} {f'on {wish.date}' if wish.date else f'of the last {DAYS} days'}",
                         hint=f"it lists {', '.join(others)}" if others else "give another date=YYYYMMDD or branch=; the service keeps some weeks")
    found = max(fits, key=lambda one: one.when)
    return Newer(version=f"{found.version} {found.when}".strip(), file=found.url.rpartition("/")[2], url=found.url, branch=branch)


def _span(date: str) -> tuple[str, str]:
    if date:
        return f"{date}000000", f"{date}235959"
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=8)  # the service's clock is China's
    return f"{now - datetime.timedelta(days=DAYS):%Y%m%d%H%M%S}", f"{now:%Y%m%d%H%M%S}"


def _question(component: str, branch: str, first: str, last: str) -> dict[str, Any]:
    """What all known clients ask, together: a service takes the keys that it knows."""
    return {"projectName": "openharmony", "branch": branch, "component": component, "components": [], "pageNum": 1, "pageSize": ROWS,
            "startTime": first, "endTime": last, "deviceLevel": "", "hardwareBoard": "", "buildStatus": "success", "buildFailReason": "",
            "testResult": "", "type": 1, "sortType": "", "sortField": "", "withDomain": 1}


def _rows(answer: Any, address: str) -> list[Any]:
    for path in _LISTS:
        found = answer
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, list):
            return found[:ROWS]
    said = [str(answer[name]) for name in ("message", "msg", "error", "resultMsg") if isinstance(answer, dict) and answer.get(name)]
    what = said[0] if said else f"its keys are {', '.join(map(str, list(answer)[:8]))}" if isinstance(answer, dict) else f"a {type(answer).__name__}"
    raise FetchError(f"{stream.shown(address)} answers in a shape that is not known: {one_line(what, 150)}",
                     hint="scons knows data.list.dataList, data.dailyBuildVos, data.builds.dataList and result.dailyBuildVos")


def _builds(rows: list[Any], pin: Pin) -> Iterator[Build]:
    """The rows that name an archive; others are of builds that failed or run."""
    for row in rows:
        text = {name: str(value) for name, value in row.items() if isinstance(value, (str, int))} if isinstance(row, dict) else {}
        path = text.get("imgObsPath" if pin.name.endswith(_IMAGES) else "obsPath", "")
        url = urljoin(pin.downloads or DOWNLOADS, path)
        when = _WHEN.search(path) or _WHEN.search(text.get("buildStartTime", "").replace("-", "").replace(":", ""))
        if not _PATH.fullmatch(path) or not when or urlsplit(url).scheme not in ("http", "https") or not _succeeded(text):
            continue
        if not url.endswith((".tar.gz", ".tgz", ".zip")):
            continue
        version = text.get("versionName", "") or next((part for part in path.split("/") if part.startswith("OpenHarmony_")), "")
        yield Build(text.get("component", ""), text.get("branch", ""), one_line(version, 60) if _PATH.fullmatch(version) else "",
                    f"{when[1]}_{when[2]}", url)


def _succeeded(text: dict[str, str]) -> bool:
    said = [text[name].lower() for name in ("buildStatus", "currentStatus", "buildSuccess") if text.get(name)]
    return not any(word in ("fail", "failed", "failure", "running", "building", "false") for word in said)
