# SPDX-License-Identifier: Apache-2.0
"""Our reading of ext4 agrees with e2fsprogs, on several geometries; hostile bytes raise an ImageError and nothing else."""

from __future__ import annotations

import os
import random
import re
import subprocess
from pathlib import Path

import pytest
from image.made import make_ext4

from kiln.errors import ImageError
from kiln.image import debugfs, ext4, files
from kiln.run import find

pytestmark = pytest.mark.fast

GEOMETRIES = {"4k": (), "1k": ("-b", "1024"), "narrow": ("-O", "^64bit"), "no-checksums": ("-O", "^metadata_csum,uninit_bg"),
              "no-flex": ("-O", "^flex_bg"), "small-groups": ("-g", "2048"), "every-copy": ("-O", "^sparse_super,^resize_inode")}
FILES = {"/bin/a": b"a" * 5000, "/etc/deep/er/b": bytes(range(256)) * 300, "/empty": b"",
         **{f"/many/file-with-a-long-name-{n:04}": b"%d" % n for n in range(300)}}


@pytest.fixture(scope="module", params=GEOMETRIES)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ext4")
    return make_ext4(folder / "x.img", 24 << 20, FILES, options=GEOMETRIES[request.param], host=folder / "h")


def said(*argv: object) -> str:
    return subprocess.run([find(str(argv[0])), *map(str, argv[1:])], capture_output=True, text=True, check=True).stdout


def test_numbers_agree_with_dumpe2fs(image: Path) -> None:
    sb, head = ext4.superblock(image), said("dumpe2fs", "-h", image)
    for name, value in (("Block count", sb.blocks), ("Free blocks", sb.free), ("Inode count", sb.inodes), ("Free inodes", sb.free_inodes),
                        ("Block size", sb.block), ("Blocks per group", sb.group_blocks), ("Inodes per group", sb.group_inodes)):
        assert re.search(rf"^{name}:\s+{value}$", head, re.M), (name, value)


def test_bitmaps_agree_with_the_counts(image: Path) -> None:
    with ext4.Reader(image) as reader:
        sb = reader.sb
        used = sum(length for _, length in reader.used_blocks())
        unread = sum(1 for group in reader.groups if group.flags & ext4.BLOCK_UNINIT)
        assert used + sb.free + sb.first_block == sb.blocks or unread
        assert len(list(reader.used_inodes())) == sb.inodes - sb.free_inodes
        every = {block for first, count in reader.used_blocks() for block in range(first, first + count)}
        assert unread or {block for first, count in reader.metadata() for block in range(first, first + count)} - every <= set(range(1))


def test_files_agree_with_what_was_written(image: Path) -> None:
    with ext4.Reader(image) as reader:
        assert all(files.text(reader, path) == text for path, text in FILES.items())
        assert files.names(reader, "/") == ("bin", "empty", "etc", "lost+found", "many")
        assert files.names(reader, "/nope") == () and files.find(reader, "/bin/a/b") is None
        found = files.find(reader, "/etc/deep/er/b")
        assert found and (found.mode, found.uid, found.gid, found.size) == (0o100755, 0, 1000, 76800)
        assert re.search(rf"^Inode: {found.inode} ", said("debugfs", "-R", "stat /etc/deep/er/b", image))
    assert debugfs.label(image, "/bin/a", image.parent / "scratch") == "u:object_r:vendor_file:s0"
    assert debugfs.label(image, "/etc", image.parent / "scratch") == ""


def test_a_file_too_large_to_make_sense_is_refused(image: Path) -> None:
    with ext4.Reader(image) as reader, pytest.raises(ImageError, match="/bin/a has 5000 bytes, more than the 4999"):
        files.text(reader, "/bin/a", limit=4999)


def test_broken_images_raise_nothing_but_image_errors(image: Path, tmp_path: Path) -> None:
    random.seed(image.stat().st_size)
    whole = image.read_bytes()[:2 << 20]
    broken = tmp_path / "b.img"
    for _ in range(60):
        text = bytearray(whole)
        for _ in range(random.choice((1, 4, 200))):
            text[random.randrange(1024, random.choice((2048, 20_000, len(text))))] = random.randrange(256)
        broken.write_bytes(text)
        os.truncate(broken, image.stat().st_size)
        try:
            with ext4.Reader(broken) as reader:
                list(zip(range(3000), reader.used_blocks(), strict=False))
                for number, _ in zip(reader.used_inodes(), range(50), strict=False):
                    reader.extents(reader.inode(number))
                    list(reader.inner(reader.inode(number)))
                files.text(reader, "/etc/deep/er/b")
                list(reader.metadata())
        except ImageError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("options,says", [
    (("-O", "^extent,^64bit,^metadata_csum"), "ext2 or ext3"), (("-O", "bigalloc,extent"), "features that Kiln does not write into"),
    (("-O", "inline_data"), "features that Kiln does not write into"), (("-O", "encrypt"), "features that Kiln does not write into")])
def test_file_systems_that_we_do_not_write_into(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    image = make_ext4(tmp_path / "x.img", 8 << 20, {}, options=options, host=tmp_path / "h")
    with pytest.raises(ImageError, match=says):
        ext4.superblock(image)
