# SPDX-License-Identifier: Apache-2.0
# CMake does not know OpenHarmony; without this file it gives a shared library no soname.
include(Platform/Linux)
