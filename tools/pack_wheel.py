#!/usr/bin/env python3
"""Packs finished wheels anew, in place, a twentieth smaller: the same files, by the same method (deflate).

    python tools/pack_wheel.py WHEEL...

Zopfli looks longer for the shortest way to say the same than zlib does at its highest level; whatever reads
zip files reads these. Needs `zopfli` from PyPI.
"""

from __future__ import annotations

import os
import struct
import sys
import zipfile
from pathlib import Path

import zopfli.zlib  # type: ignore[import-not-found]

DEFLATED = 8
VERSION = 20  # of the format, that deflate needs
UNIX = 3


def pack(path: Path) -> None:
    """Replaces the wheel by one that holds the same."""
    body, directory, count = bytearray(), bytearray(), 0
    with zipfile.ZipFile(path) as wheel:
        names = [entry.filename for entry in wheel.infolist() if not entry.is_dir()]
        for entry in map(wheel.getinfo, names):
            # Behind two bytes of zlib's own, and before four that it checks by.
            packed = zopfli.zlib.compress(wheel.read(entry))[2:-4]
            name = entry.filename.encode()
            year, month, day, hour, minute, second = entry.date_time
            time, date = hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day
            plain = name.isascii()
            shared = struct.pack(
                "<HHHHHIIIHH", VERSION, 0 if plain else 1 << 11, DEFLATED, time, date,
                entry.CRC, len(packed), entry.file_size, len(name), 0,
            )  # fmt: skip
            place = struct.pack("<HHHII", 0, 0, 0, entry.external_attr, len(body))
            directory += b"PK\1\2" + struct.pack("<BB", VERSION, UNIX) + shared + place + name
            body += b"PK\3\4" + shared + name + packed
            count += 1
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(body + directory + end)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(fresh) as new:
        assert new.namelist() == names
        assert all(old.read(name) == new.read(name) for name in names)
    os.replace(fresh, path)


def main(paths: list[str]) -> None:
    if not paths:
        sys.exit(__doc__)
    for path in map(Path, paths):
        before = path.stat().st_size
        pack(path)
        print(f"{path.name}: {before:,} bytes, now {path.stat().st_size:,}")


if __name__ == "__main__":
    main(sys.argv[1:])
