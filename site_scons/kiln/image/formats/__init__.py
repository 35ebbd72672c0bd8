# SPDX-License-Identifier: Apache-2.0
"""Image formats: file name = value of `image.formats`; each packs the finished partitions into images/.

A member ends in `pack(product, partitions, table, into, log, progress) -> tuple[Output, ...]`: `partitions` are the rows of the
table with their finished images, `table` is parameter.txt, beside which the base's loader lies if it has one, `into` the
folder of images.
"""
