"""One self-contained page: its look, its frame, its sections and tables, for all who write one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #8c959f; --mark: #fff1c2;
  --curve: #0550ae;  --error: #b42318; --warning: #8a5a00; --info: #0550ae; --soft: #f3f5f7 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #12161b; --line: #7d8590;
  --mark: #4a3b00;
  --curve: #79c0ff; --error: #ff938a; --warning: #e3b341; --info: #79c0ff; --soft: #1c222a } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 62rem; padding: 1rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin-top: 2rem } h3 { font-size: 1rem; margin: 0 }
a { color: var(--curve) } :focus-visible { outline: 3px solid var(--curve); outline-offset: 2px }
.skip { position: absolute; left: -99rem }
.skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem }
article { border-left: 5px solid var(--line); background: var(--soft); padding: .7rem 1rem; margin: .8rem 0 }
article.error { border-color: var(--error) } article.warning { border-color: var(--warning) }
article.info { border-color: var(--info) }
.error .kind { color: var(--error) } .warning .kind { color: var(--warning) }
.info .kind { color: var(--info) }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child { text-align: left } figure { margin: 1rem 0 } figcaption { font-weight: 600 }
figure svg { width: 100%; height: auto; max-width: 40rem; display: block }
figure svg text { fill: var(--ink); font-size: 12px }
.axis { stroke: var(--line); stroke-width: 1 } .curve { fill: none; stroke: var(--curve); stroke-width: 1.8 }
.bar { fill: var(--curve) } .bar.other { fill: var(--warning) }
.range { stroke: var(--ink); stroke-width: 1.5 }
pre { margin: 0; font: .85rem/1.5 ui-monospace, monospace } pre ol { margin: 0; padding-left: 3.5rem }
pre li { white-space: pre-wrap; padding-left: .5rem }
mark { background: var(--mark); color: inherit; display: block }
"""


def page(title: str, heading: str, lead: str, sections: Sequence[tuple[str, str, str]]) -> str:
    """The page as HTML, of sections (id, heading, HTML); title, headings and lead are text. A link that is
    seen on focus goes to the first section."""
    name, first, _ = sections[0]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
        f'<a class="skip" href="#{name}">To the {escape(first.lower())}</a>',
        f"<header><h1>{escape(heading)}</h1>",
        f"<p>{escape(lead)}</p></header>",
        "<main>",
    ]
    for name, over, content in sections:
        parts.append(
            f'<section aria-labelledby="{name}"><h2 id="{name}" tabindex="-1">{escape(over)}</h2>'
            f"{content}</section>"
        )
    return "\n".join([*parts, "</main></body></html>"]) + "\n"


def table(name: str, label: str, about: str, titles: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table under a sentence about it, which scrolls where it is wide. The first cell of a row names it."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(each)}</td>" for each in cells)
        + "</tr>"
        for first, *cells in rows
    )  # fmt: skip
    return (
        f'<p id="{name}">{escape(about)}</p>'
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(label)}">'
        f'<table aria-describedby="{name}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
