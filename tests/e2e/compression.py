# SPDX-License-Identifier: MIT
"""brotli and zstd by the libraries that the daemon is built with, and what a build knows of them."""
import ctypes
import pathlib
import re


def brotli(data):
    library = ctypes.CDLL("libbrotlienc.so.1")
    length = ctypes.c_size_t(2 * len(data) + 1000)
    out = ctypes.create_string_buffer(length.value)
    assert library.BrotliEncoderCompress(5, 22, 0, ctypes.c_size_t(len(data)), data, ctypes.byref(length), out)
    return out.raw[:length.value]


def zstd(data):
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compress.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(2 * len(data) + 1000)
    length = library.ZSTD_compress(out, ctypes.c_size_t(len(out)), data, ctypes.c_size_t(len(data)), 3)
    assert length <= len(out)
    return out.raw[:length]


PACK = {"br": brotli, "zstd": zstd}


def is_built_with(build_dir, encoding):
    """Whether the build found that library."""
    name = {"br": "BROTLI", "zstd": "ZSTD"}[encoding]
    return re.search(f"^{name}_FOUND:INTERNAL=1", (pathlib.Path(build_dir) / "CMakeCache.txt").read_text(), re.M)
