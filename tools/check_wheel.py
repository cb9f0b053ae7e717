#!/usr/bin/env python3
"""Looks at finished wheels from outside, and ends with 1 if one is not fit to be published.

    python tools/check_wheel.py WHEEL...

Held are: its size; its files (modules, stubs, data and the licence, but no source of what is compiled); its
metadata; that no binary names a folder of the machine that built it; and for Linux that binaries ask for no
symbol of the GNU C library younger than 2.28, and need no library but those of every system. Runs on any
system, with Python's standard library alone.
"""

from __future__ import annotations

import email
import re
import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

LARGEST = 2_500_000  # bytes of a wheel
NEWEST_GLIBC = (2, 28)  # what manylinux_2_28 promises
LIBRARIES = re.compile(
    r"(libc|libm|libpthread)\.so\.\d+|libc\.musl-\w+\.so\.1|ld-linux-(x86-64|aarch64)\.so\.\d+"
)
NEEDED = (
    "tensorgrad/py.typed", "tensorgrad/__init__.pyi", "tensorgrad/core/_core.pyi",
    "tensorgrad/nn/functional.pyi", "tensorgrad/datasets/digits.npz", "tensorgrad/datasets/README.md",
)  # fmt: skip
MODULES = ("_kernels", "core/_core", "core/_random", "nn/_module", "optim/_step")
ENDINGS = {".py", ".pyi", ".typed", ".npz", ".md", ".so", ".pyd"}
# A folder that only a machine that builds has. Names of sources, as in tracebacks, are relative to src.
FOLDERS = re.compile(
    rb"(/home/|/root/|/tmp/|/Users/|/project/|/private/var/|/opt/|/io/|[A-Z]:[\\/])[\w.+~ \\/-]{3,}"
)


def faults_of(path: Path) -> Iterator[str]:
    """What is wrong with a wheel, a line each."""
    size = path.stat().st_size
    if size > LARGEST:
        yield f"{size:,} bytes, of at most {LARGEST:,}"
    with zipfile.ZipFile(path) as wheel:
        names = [entry.filename for entry in wheel.infolist() if not entry.is_dir()]
        broken = wheel.testzip()
        if broken:
            yield f"{broken}: damaged"
        yield from faults_of_names(names)
        yield from faults_of_metadata(wheel, names)
        for name in names:
            if name.endswith((".so", ".pyd")):
                for fault in faults_of_binary(wheel.read(name)):
                    yield f"{name}: {fault}"


def faults_of_names(names: list[str]) -> Iterator[str]:
    for name in NEEDED:
        if name not in names:
            yield f"{name}: missing"
    for module in MODULES:
        found = [n for n in names if re.fullmatch(rf"tensorgrad/{module}\.[\w-]+\.(so|pyd)", n)]
        if len(found) != 1:
            yield f"tensorgrad/{module}: {len(found)} binaries"
    for name in names:
        top = PurePosixPath(name).parts[0]
        if top == "tensorgrad":
            if PurePosixPath(name).suffix not in ENDINGS:
                yield f"{name}: not a file for users"
        elif not top.endswith(".dist-info"):
            yield f"{name}: not the package's"
    if not any(re.search(r"\.dist-info/(licenses/)?LICENSE$", name) for name in names):
        yield "LICENSE: missing"


def faults_of_metadata(wheel: zipfile.ZipFile, names: list[str]) -> Iterator[str]:
    found = [name for name in names if name.endswith(".dist-info/METADATA")]
    if len(found) != 1:
        yield f"METADATA: {len(found)} files"
        return
    metadata = email.message_from_bytes(wheel.read(found[0]))
    for field in ("Summary", "License-Expression", "Project-URL", "Author"):
        if not (metadata[field] or (field == "Author" and metadata["Author-email"])):
            yield f"METADATA: no {field}"
    required = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    if [re.split(r"[^\w-]", r)[0] for r in required] != ["numpy"]:
        yield f"METADATA: requires {', '.join(required)}, and should require numpy alone"
    # A link that PyPI's page would look for beside itself.
    for link in re.findall(r"\]\(((?!https?://|#)[^)\s]+)\)", str(metadata.get_payload())):
        yield f"METADATA: the description links to {link}, which is no address"


def faults_of_binary(data: bytes) -> Iterator[str]:
    for folder in sorted({match.group().decode() for match in FOLDERS.finditer(data)}):
        yield f"names a folder of the machine that built it: {folder}"
    if not data.startswith(b"\x7fELF"):
        return
    libraries, versions = read_elf(data)
    for library in libraries:
        if not LIBRARIES.fullmatch(library):
            yield f"needs {library}"
    for version in versions:
        number = re.fullmatch(r"GLIBC_([\d.]+)", version)
        if number is None:
            yield f"needs symbols of {version}"
        elif tuple(map(int, number[1].split("."))) > NEWEST_GLIBC:
            yield f"needs symbols of {version}, younger than {'.'.join(map(str, NEWEST_GLIBC))}"
    for section in (b".debug_info\0", b".symtab\0"):
        if section in data:
            yield f"has a section {section[:-1].decode()}: it is not stripped"


def read_elf(data: bytes) -> tuple[list[str], list[str]]:
    """The libraries that a 64-bit ELF file needs, and the versions of symbols that it asks of them."""
    at, size, count = struct.unpack_from("<40xQ10xHH", data)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, at + i * size) for i in range(count)]

    def text(section: tuple[int, ...], offset: int) -> str:
        start = section[4] + offset
        return data[start : data.index(b"\0", start)].decode()

    libraries, versions = [], []
    for section in sections:
        kind, offset, length, link, info = section[1], section[4], section[5], section[6], section[7]
        if kind == 6:  # SHT_DYNAMIC
            for tag, value in struct.iter_unpack("<qQ", data[offset : offset + length]):
                if tag == 1:  # DT_NEEDED
                    libraries.append(text(sections[link], value))
        elif kind == 0x6FFFFFFE:  # SHT_GNU_verneed: files, and of each the versions, both linked by distances
            for _ in range(info):
                _, inside, _, first, following = struct.unpack_from("<HHIII", data, offset)
                place = offset + first
                for _ in range(inside):
                    _, _, _, name, distance = struct.unpack_from("<IHHII", data, place)
                    versions.append(text(sections[link], name))
                    place += distance
                offset += following
    return libraries, versions


def main(paths: list[str]) -> int:
    if not paths:
        sys.exit(__doc__)
    failed = 0
    for path in map(Path, paths):
        faults = list(faults_of(path))
        failed += bool(faults)
        print(f"{path.name}: {path.stat().st_size:,} bytes, {'not fit' if faults else 'fit'} to be published")
        for fault in faults:
            print(f"  {fault}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
