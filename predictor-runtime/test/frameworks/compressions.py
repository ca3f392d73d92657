"""Compresses a text and zeros with every compression of joblib, and writes golden/compressed.json.

    compressions.py FILE

FILE gets {text: {count}, files: [{compression, kind, file}]}, each file in base64. `kind` says what is in it: `text` (`count` numbers),
`members` (the text, compressed in two parts), `zeros` (2 MiB of them). Needs lz4 of PyPI, and xz for blocks.
"""
import base64
import bz2
import gzip
import json
import lzma
import subprocess
import sys
import zlib

import lz4.frame

COUNT = 40_000
text = "".join(f"{i * i % 1009} " for i in range(COUNT)).encode()
zeros = bytes(2 * 2**20)
CHECKED = dict(block_linked=True, block_size=lz4.frame.BLOCKSIZE_MAX64KB, content_checksum=True, block_checksum=True, store_size=True)
compressions = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "lz4": lz4.frame.compress,
}
files = []


def add(compression, kind, content):
    files.append({"compression": compression, "kind": kind, "file": base64.b64encode(content).decode()})


for name, compress in compressions.items():
    add(name, "text", compress(text))
    add(name, "zeros", compress(zeros))
    if name not in ("zlib", "lzma"):
        add(name, "members", compress(text[:70_000]) + compress(text[70_000:]))
add("bzip2", "members", bz2.compress(text[:70_000], 1) + bz2.compress(text[70_000:]))
add("xz", "members", lzma.compress(text[:70_000]) + bytes(8) + lzma.compress(text[70_000:]))
for check in (lzma.CHECK_NONE, lzma.CHECK_CRC32):
    add("xz", "text", lzma.compress(text, check=check))
add("xz", "text", subprocess.run(["xz", "--block-size=30000", "-c"], input=text, stdout=subprocess.PIPE, check=True).stdout)
add("lz4", "text", lz4.frame.compress(text, **CHECKED))
add("lz4", "text", lz4.frame.compress(text, block_linked=False, block_size=lz4.frame.BLOCKSIZE_MAX64KB))
add("lz4", "text", lz4.frame.compress(text, compression_level=12))
json.dump({"text": {"count": COUNT}, "files": files}, open(sys.argv[1], "w"))
