"""Writes the course's pages and notebooks from the scripts in examples/course.

    python tools/course.py              all of them
    python tools/course.py 07 09        some chapters
    python tools/course.py --check      writes nothing; 1 if a page or a notebook is older than its script

A chapter is a script in the percent format. Its notebook has no outputs, so that it stays small; its page in
docs/course has what came out when the notebook was run. The check runs it again and compares the pages
without their numbers and pictures, which are not the same on every machine: the chapters assert what they
claim. Needs the packages of the extra `course`.
"""

from __future__ import annotations

import argparse
import base64
import re
import sys
from pathlib import Path

import jupytext
import nbclient
import nbformat

ROOT = Path(__file__).parents[1]
CHAPTERS = ROOT / "examples" / "course"
PAGES = ROOT / "docs" / "course"
NUMBER = re.compile(r"[-+]?(\d[\d,]*\.?\d*(e[-+]?\d+)?|\binf\b)|(?<!\S)-(?!\S)")
PICTURES = {"image/svg+xml": "svg", "image/png": "png"}
METADATA = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def notebook_of(script: Path) -> nbformat.NotebookNode:
    """The chapter as a notebook that was not run, the same at each call."""
    notebook = jupytext.read(script, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    return notebook


def run(notebook: nbformat.NotebookNode) -> None:
    """Fills in the outputs. A cell that raises, such as by a failed assertion, is an error."""
    place = {"metadata": {"path": str(CHAPTERS)}}
    nbclient.NotebookClient(notebook, timeout=120, coalesce_streams=True, resources=place).execute()


def page_of(notebook: nbformat.NotebookNode, name: str) -> tuple[str, dict[str, bytes]]:
    """The text of the page, and its pictures by file name."""
    parts = [f"<!-- Written by tools/course.py from examples/course/{name}.py, with what it printed. -->"]
    pictures: dict[str, bytes] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            kind = next((kind for kind in PICTURES if kind in output.get("data", {})), None)
            if kind is None:
                text = output.text if output.output_type == "stream" else output.data["text/plain"]
                parts.append(f"```text\n{text.strip(chr(10))}\n```")
                continue
            if "alt" not in cell.metadata:
                raise SystemExit(f'{name}: a cell with a picture says in words what it shows: # %% alt="..."')
            file = f"{name}-{len(pictures) + 1}.{PICTURES[kind]}"
            data = output.data[kind]
            pictures[file] = base64.b64decode(data) if kind == "image/png" else data.encode()
            parts.append(f"![{cell.metadata.alt}]({file})")
    here = f"[script](../../examples/course/{name}.py) and [notebook]({name}.ipynb)"
    parts += ["---", f"This page as {here} · [all chapters](../index.md#the-course)"]
    return "\n\n".join(parts) + "\n", pictures


def words(text: str) -> list[str]:
    """The lines of a page without what differs from machine to machine: numbers, and how many rows."""
    lines = (" ".join(NUMBER.sub("#", line).split()) for line in text.splitlines())
    return list(dict.fromkeys(lines))


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("chapters", nargs="*", help="numbers of chapters, such as 07")
    parser.add_argument("--check", action="store_true", help="write nothing, and say what is old")
    args = parser.parse_args()
    PAGES.mkdir(exist_ok=True)
    old = []
    for script in sorted(CHAPTERS.glob("[0-9]*.py")):
        if args.chapters and script.name[:2] not in args.chapters:
            continue
        notebook = notebook_of(script)
        text = nbformat.writes(notebook) + "\n"
        run(notebook)
        page, pictures = page_of(notebook, script.stem)
        page_path, notebook_path = PAGES / f"{script.stem}.md", PAGES / f"{script.stem}.ipynb"
        if args.check:
            old += [page_path] if words(read(page_path)) != words(page) else []
            old += [notebook_path] if read(notebook_path) != text else []
            old += [PAGES / name for name in pictures if not (PAGES / name).exists()]
            continue
        page_path.write_text(page, encoding="utf-8")
        notebook_path.write_text(text, encoding="utf-8")
        for path in PAGES.glob(f"{script.stem}-*"):
            path.unlink()
        for name, data in pictures.items():
            (PAGES / name).write_bytes(data)
    for path in old:
        print(f"{path.relative_to(ROOT)} is older than its script: python tools/course.py")
    return bool(old)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
