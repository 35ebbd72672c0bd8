# SPDX-License-Identifier: Apache-2.0
"""The product and its parts: vendor/*/*/config.json, then every bundle.json and ohos.build below the subsystems' folders."""

from __future__ import annotations

import json
import time
from pathlib import Path

from console import Console, OhosError


def product(name: str) -> dict[str, object]:
    """The config.json of that product (the name is a key in the file, not a folder), with `product_path` added."""
    for file in sorted(Path("vendor").glob("*/*/config.json")):
        config = json.loads(file.read_text())
        if config.get("product_name") == name.partition("@")[0]:
            return {**config, "product_path": file.parent.as_posix()}
    raise OhosError("0000", f"product {name}@None not found")


def parts(config: dict[str, object], console: Console) -> dict[str, dict[str, object]]:
    """Every part that the product names, plus the parts of the product and of its device, by name."""
    found = {name: part for folder in _folders(config) for name, part in _in(folder).items()}
    wanted = [entry["component"] for system in config["subsystems"] for entry in system["components"]]
    wanted += [name for name in found if name.startswith(("product_", "device_"))]
    missing = [name for name in wanted if name not in found]
    if missing:
        raise OhosError("2012", f"component {missing[0]} of product {config['product_name']} has no bundle.json")
    console.say(f"loading {len(wanted)} parts", "LOAD")
    return {name: found[name] for name in sorted(wanted)}


def write_state(config: dict[str, object], loaded: dict[str, dict[str, object]], out: Path) -> None:
    """out/ohos_config.json and out/preloader/<product>/, each only if it changed."""
    folder = Path("out/preloader") / str(config["product_name"])
    state = {"root_path": str(Path.cwd()), "board": config["board"], "product": config["product_name"], "out_path": str(out),
             "product_path": config["product_path"], "target_cpu": config["target_cpu"],
             "product_json": f"{config['product_path']}/config.json"}
    _write(Path("out/ohos_config.json"), state)
    _write(folder / "parts.json", loaded)
    _write(folder / "build_config.json", {key: value for key, value in config.items() if isinstance(value, str)})


def _folders(config: dict[str, object]) -> list[Path]:
    known = json.loads(Path("build/subsystem_config.json").read_text())
    overlay = Path(str(config["product_path"])) / "subsystem_config_overlay.json"
    if overlay.is_file():
        known.update(json.loads(overlay.read_text()))
    paths = [entry["path"] for entry in known.values()]
    return [Path(path) for path in [*paths, config["product_path"], config["device_build_path"]]]


def _in(folder: Path) -> dict[str, dict[str, object]]:
    made: dict[str, dict[str, object]] = {}
    for file in sorted([*folder.rglob("bundle.json"), *folder.rglob("ohos.build")]):
        value = _json(file)
        if file.name == "ohos.build":
            for name, part in value["parts"].items():
                made[name] = {"subsystem": value["subsystem"], "path": file.parent.as_posix(), "modules": part["module_list"]}
        else:
            component = value["component"]
            made[component["name"]] = {"subsystem": component["subsystem"], "path": file.parent.as_posix(),
                                       "modules": component["build"]["sub_component"],
                                       "inner_kits": component["build"].get("inner_kits", [])}
    return made


def _json(file: Path) -> dict[str, object]:
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise OhosError("2010", f"{file} is not JSON: {error}") from error


def _write(file: Path, value: object) -> None:
    text = json.dumps(value, indent=1, sort_keys=True) + "\n"
    if not file.is_file() or file.read_text() != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def hold_arguments(argv: list[str]) -> Path:
    """out/hb_args/build.json: the arguments of the running build, taken away at its end."""
    file = Path("out/hb_args/build.json")
    _write(file, {"argv": argv, "at": time.time()})
    return file
