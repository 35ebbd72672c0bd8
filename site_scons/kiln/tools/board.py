# SPDX-License-Identifier: Apache-2.0
"""VirtualBoard: the initial RAM disk that the virtual board boots with; and the verbs that need a board."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kiln import results, share, stamp
from kiln.errors import BoardError, Refused
from kiln.product import Product
from kiln.tools import outside
from kiln.tools.settings import Settings

REVISION = 1
_TELLING = ("/vendor/bin/llama-server", "/vendor/etc/kiln.cfg")


def virtual_board(env: Any, product: Product, sdk: Any) -> Any:
    """None for a product that names no kernel; else the node of the initial RAM disk: the sandbox's init, made with the product's own compiler, and the kernel's modules."""
    settings: Settings = env["KILN_SETTINGS"]
    if not product.board.kernel:
        return None
    folder = settings.build / product.name / "board"
    if not product.board.kernel:
        return []                      # board=virt is refused for it by virtual()
    kernel = env.PinnedSource(product.board.kernel)
    template = share.folder("sandbox") / "board"

    def make(key: str) -> Sequence[Path]:
        from kiln import initrd, run

        log = run.rotate(settings.build / product.name / "logs" / "board.log")
        made = initrd.prepare(template, outside.result(env, results.Toolchain, sdk), outside.result(env, results.Tree, kernel),
                              folder, log=log)
        results.save(made, folder)
        return [made.initrd]

    def inputs() -> Sequence[str]:
        return outside.result(env, results.Toolchain, sdk).key, outside.result(env, results.Tree, kernel).identity

    step = outside.Step("board", "the virtual board's init and modules", folder, make, inputs,
                        (str(REVISION), stamp.digest_tree(template)))
    return outside.node(env, step, [kernel, sdk])


def virtual(product: Product, settings: Settings) -> bool:
    """Whether this run talks to the virtual board. Raises Refused for a board that the product cannot have."""
    if product.board.transport == "virt" and settings.board not in ("", "virt"):
        raise Refused(f"product {product.name} runs on the virtual board, not on board={settings.board}")
    if product.board.transport != "virt" and settings.board == "virt" and not product.board.kernel:
        raise Refused(f"product {product.name} has no board.kernel, with which the virtual board would boot")
    return "virt" in (settings.board, product.board.transport)


@contextmanager
def booted(env: Any) -> Iterator[Any]:
    """The product's board, a boards.Board: the virtual one with power, off when the block ends, or one that runs, through hdc."""
    from kiln.boards import hdc, virt

    settings, product = env["KILN_SETTINGS"], env["KILN_PRODUCT"]
    folder: Path = settings.build / product.name
    if not virtual(product, settings):
        with hdc.reach(product, settings.board, logs=folder / "logs") as reached:
            _runs(reached, results.load(results.Images, folder / "images" / results.NAME), settings)
            yield reached
        return
    images = _with_disk(product, results.load(results.Images, folder / "images" / results.NAME), folder)
    means = results.load(results.Boot, folder / "board" / results.NAME)
    with virt.boot(product, images, means, logs=folder / "logs") as board:
        yield board


def _runs(board: Any, images: results.Images, settings: Settings) -> None:
    """Raise BoardError unless the board runs this very image: a card must not tell of one what another did.

    Asked of the small files that differ between builds; a model of GiBs would take the board's storage a while to read.
    """
    named = {one["path"]: one for one in json.loads(images.manifest.read_text())["files"] if one["path"] in _TELLING}
    code, said = board.run(["sha256sum", *named], timeout=60)
    wanted = {path: f"{one['sha256']}  {path}" for path, one in named.items()}
    if code == 127:                    # a toybox without it: the size at least, the fifth word of `ls -l`
        rows = [line.split() for line in board.run(["ls", "-l", *named], timeout=60)[1].splitlines()]
        said = "\n".join(f"{row[4]}  {row[-1]}" for row in rows if len(row) > 7)
        wanted = {path: f"{one['size']}  {path}" for path, one in named.items()}
    for path, line in wanted.items():
        if line not in said.splitlines():
            there = any(row.endswith(f"  {path}") for row in said.splitlines())
            raise BoardError(f"the board does not run the image of this build: {f'{path} there is another' if there else f'it has no {path}'}",
                             hint=f"flash it first: {settings.command('flash')}; or take the virtual board: board=virt")


def _with_disk(product: Product, images: results.Images, folder: Path) -> results.Images:
    """The images with a whole disk to boot, which a product with a board of hardware need not have: laid out once per build, sparse."""
    from kiln import run
    from kiln.image import table
    from kiln.image.formats import gpt

    if any(one.format == "gpt" for one in images.outputs):
        return images
    single = {one.partition: one.file for one in images.outputs if one.format == "directory"}
    into, disk = folder / "disk", folder / "disk" / gpt.NAME
    if not single:
        raise Refused("the virtual board boots a whole disk or a folder of partitions, and the product makes neither",
                      hint="image.formats must hold directory or gpt")
    if not stamp.made(into, images.key):
        stamp.unmake(into)
        into.mkdir(parents=True, exist_ok=True)
        disk.unlink(missing_ok=True)
        rows = [dataclasses.replace(row, image=single.get(row.name)) for row in table.read(folder / "images" / "parameter.txt").rows]
        gpt.lay(product, rows, disk, run.rotate(folder / "logs" / "disk.log"))
        stamp.make(into, images.key, [disk])
    return dataclasses.replace(images, outputs=(*images.outputs, results.Output(disk, "gpt", disk.stat().st_size, "")))


def check(env: Any) -> Sequence[str]:
    """The verb: read the image back, boot, ask, judge, write the card. Raises ImageError for a faulty image, BoardError for a wrong answer."""
    from kiln.image import gate
    from kiln.judge import check as judge

    product: Product = env["KILN_PRODUCT"]
    folder = env["KILN_SETTINGS"].build / product.name
    read_back = gate.check(product, results.load(results.Images, folder / "images" / results.NAME))
    chosen = judge.choose(product, share.root() / product.model.card)
    with booted(env) as board:
        result = judge.check(product, board, chosen, into=folder / "card.json", manifest=folder / "manifest.json")
    if not result.ok:
        raise judge.wrong(product, result)
    return [*result.lines, f"image      {read_back}", f"card       {folder / 'card.json'}"]


def chat(env: Any) -> Sequence[str]:
    """The verb: boot and talk. The checkout's lock is given back before we wait for a person."""
    from kiln.judge import ask
    from kiln.judge import chat as judge
    from kiln.judge import check as service
    from kiln.tools import front

    product: Product = env["KILN_PRODUCT"]
    front.release()
    with booted(env) as board:
        server = ask.Server(board.url)
        service.wait(board, server, product.check.boot_timeout)
        count = judge.chat(server, read=_line, write=_write, watch=board.watch)
        board.poweroff()
        left = "the board is off" if virtual(product, env["KILN_SETTINGS"]) else "the board runs on"
    return [f"{count} answers; {left}"]


def flash(env: Any) -> Sequence[str]:
    """The verb: print the plan, and with consent write it to the board that is plugged in, compare and reset."""
    from kiln import flash as room
    from kiln import run
    from kiln.boards import rockusb
    from kiln.flash import plan as flash_plan
    from kiln.image import table
    from kiln.progress import bar

    settings, product = env["KILN_SETTINGS"], env["KILN_PRODUCT"]
    flashable(product)
    folder: Path = settings.build / product.name
    images = results.load(results.Images, folder / "images" / results.NAME)
    parameter = folder / "images" / "parameter.txt"
    filled = {one["partition"] for one in json.loads(images.manifest.read_text())["files"]}
    made = flash_plan.plan(images, table.read(parameter).rows, command=settings.command("flash"), sectors=product.board.emmc // table.SECTOR,
                           mode=rockusb.MODE, new_table=rockusb.new_table(parameter), ours=filled)
    if settings.yes == "0":
        return [*made.lines, f"nothing was written; to write it: {made.command} yes={made.consent}"]
    if settings.yes not in (made.consent, flash_plan.ERASED):
        raise Refused(f"this plan erases {made.consent}, all that its user keeps on the board; nothing was written",
                      hint=f"if that is meant: {made.command} yes={made.consent}")
    _write("".join(f"{line}\n" for line in made.lines))
    board = rockusb.Rockusb(run.rotate(folder / "logs" / "flash.log"), flash_plan.WRITTEN)
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    return room.flash(made, board, scratch=folder / "logs", progress=bar).lines


def flashable(product: Product) -> None:
    """Raise Refused for a product whose board is none of hardware, before anything is built for it."""
    if product.board.transport == "virt":
        raise Refused(f"product {product.name} has nothing to flash: its board is virtual", hint=f"use check: scons product={product.name} check")


def _line() -> str | None:
    """A line of a person, or of a pipe; None at its end."""
    try:
        return input("> " if sys.stdin.isatty() else "")
    except EOFError:
        return None


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
