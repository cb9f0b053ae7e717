"""The pages that somebody wrote: which of the project's files they are, and where their links lead.

A file's links are written so that they lead somewhere in the repository. On the site a link to a file that is
a page leads to that page, one to any other file to the repository.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://github.com/tensorgrad/tensorgrad"
GUIDE = "tensors autograd modules optimizers data files random numpy performance pytorch".split()

CHAPTERS = sorted(path.stem for path in (ROOT / "docs/course").glob("*.md"))

# The pages by section: page on the site, and the file it is.
SECTIONS: dict[str, dict[str, str]] = {
    "": {"index": "docs/home.md"},
    "Begin": {"installing": "docs/installing.md", "differences": "docs/differences.md"},
    "Guide": {f"guide/{name}": f"docs/guide/{name}.md" for name in GUIDE},
    "Course": {f"course/{name}": f"docs/course/{name}.md" for name in CHAPTERS},
    "Reference": {"reference/index": "docs/reference.md"},
    "How it works": {
        "doctor": "docs/doctor.md", "made": "docs/index.md", "core": "src/tensorgrad/core/README.md",
        "ops": "src/tensorgrad/ops/README.md", "kernels": "src/tensorgrad/kernels/README.md",
        "benchmarks": "docs/benchmarks.md",
    },
    "Project": {
        "changelog": "CHANGELOG.md", "contributing": "CONTRIBUTING.md", "security": "SECURITY.md",
        "examples": "examples/README.md", "data": "src/tensorgrad/datasets/README.md",
    },
}  # fmt: skip
# What the menu calls pages whose own titles are long.
SHORT = {
    "installing": "Installing", "differences": "Differences from PyTorch", "doctor": "The doctor",
    "made": "The parts", "core": "The core", "ops": "The ops", "kernels": "The kernels",
    "examples": "Examples", "data": "The digits", "reference/index": "All names",
}  # fmt: skip
PAGES = {page: ROOT / source for pages in SECTIONS.values() for page, source in pages.items()}

FENCE = re.compile(r"^(```.*?^```$|~~~.*?^~~~$)", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(`[^`\n]+`)")
# Inline links and images, and definitions of those by name.
LINK = re.compile(r"(?P<before>\]\(|^\[[^\]^]+\]: )(?P<to>[^\s)<>]+)", re.MULTILINE)


@dataclass
class Link:
    """Where a link leads: an address outside, or a file and a heading in it."""

    text: str
    file: Path | None
    anchor: str


def prose(text: str) -> Iterator[tuple[bool, str]]:
    """The parts of a page, and whether they are prose, or else code."""
    for i, part in enumerate(FENCE.split(text)):
        for j, piece in enumerate(CODE.split(part) if i % 2 == 0 else [part]):
            yield i % 2 == 0 and j % 2 == 0, piece


def parse(to: str, source: Path) -> Link:
    """Reads a link of a file. One to the repository's main branch is one to the file there."""
    path, _, anchor = to.partition("#")
    own = re.match(rf"{REPOSITORY}/(?:blob|tree)/main/(.*)", path)
    if own:
        return Link(to, ROOT / own[1], anchor)
    if re.match(r"[a-z]+:", to):
        return Link(to, None, anchor)
    return Link(to, (source.parent / path).resolve() if path else source, anchor)


def slug(title: str) -> str:
    """The anchor that GitHub, and the site, give a heading."""
    title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).strip().lower()
    return re.sub(r"[^\w\- ]", "", title).replace(" ", "-")


def anchors(source: Path) -> set[str]:
    parts = prose(source.read_text(encoding="utf-8"))
    text = "".join(part for is_prose, part in parts if is_prose or "```" not in part)
    return {slug(title) for title in re.findall(r"(?m)^#{1,6} +(.*?)\s*$", text)}


def links(source: Path) -> Iterator[Link]:
    for is_prose, part in prose(source.read_text(encoding="utf-8")):
        if is_prose:
            yield from (parse(found["to"], source) for found in LINK.finditer(part))


def fault(link: Link) -> str:
    """Why a link leads nowhere, or nothing."""
    if link.file is None:
        return ""
    if not link.file.exists():
        return f"{link.text}: there is no such file"
    if link.anchor and link.file.suffix == ".md" and link.anchor not in anchors(link.file):
        return f"{link.text}: no heading has this anchor"
    return ""


def on_the_site(to: str, source: Path, page: str, pictures: dict[str, Path]) -> str:
    """What a link of a file is on the page that it becomes."""
    link = parse(to, source)
    if link.file is None or (link.file == source and to.startswith("#")):
        return to
    up = "../" * page.count("/")
    anchor = f"#{link.anchor}" if link.anchor else ""
    for other, file in PAGES.items():
        if file == link.file:
            return f"{up}{other}.md{anchor}"
    place = link.file.relative_to(ROOT).as_posix()
    if link.file.suffix in (".png", ".svg"):
        pictures[f"pictures/{link.file.name}"] = link.file
        return f"{up}pictures/{link.file.name}"
    if place == "README.md":
        return f"{up}index.md"
    return f"{REPOSITORY}/{'tree' if link.file.is_dir() else 'blob'}/main/{place}{anchor}"


def converted(text: str, source: Path, page: str, pictures: dict[str, Path]) -> str:
    """A file's text as the page's."""

    def lead(found: re.Match[str]) -> str:
        return found["before"] + on_the_site(found["to"], source, page, pictures)

    return "".join(LINK.sub(lead, part) if is_prose else part for is_prose, part in prose(text))


def contents() -> str:
    """The tables of contents, which stand hidden on the first page and make the menu."""
    made = []
    for caption, pages in SECTIONS.items():
        if caption:
            lines = "\n".join(f"{SHORT[page]} </{page}>" if page in SHORT else f"/{page}" for page in pages)
            made.append(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n")
    return "\n".join(made)


def put(path: Path, text: str) -> None:
    """Writes a file, if it changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write(folder: Path, below: dict[str, str]) -> None:
    """Writes the pages into a folder, each with what stands ``below`` its text."""
    pictures: dict[str, Path] = {}
    for page, source in PAGES.items():
        text = converted(source.read_text(encoding="utf-8"), source, page, pictures)
        put(folder / f"{page}.md", f"{text}\n{below[page]}" if page in below else text)
    for place, file in pictures.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != file.read_bytes():
            shutil.copyfile(file, path)
