"""The command, and the rows that it chooses from."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from fnmatch import fnmatchcase

from . import calls, training
from .racing import Row, measure, running
from .reports import Report

LEAD = 2.0  # of the kernels over the NumPy path, which a quick run of all rows holds them to
ROUNDS, SECONDS = 9, 0.02  # of a side in a round
QUICK_ROUNDS, QUICK_SECONDS = 3, 0.002


def rows() -> list[Row]:
    """All rows: calls by group, then training steps."""
    return calls.rows() + training.rows()


def matching(rows: Sequence[Row], pattern: str) -> list[Row]:
    """The rows with the pattern anywhere in group and name, in any case. ValueError if there is none."""
    wanted = f"*{pattern.lower()}*"
    found = [row for row in rows if fnmatchcase(f"{row.group}: {row.name}".lower(), wanted)]
    if not found:
        groups = ", ".join(dict.fromkeys(row.group for row in rows))
        raise ValueError(f"bench: no row matches {pattern!r}; the groups are: {groups}")
    return found


def command(rows: Sequence[Row], options: Namespace, others: tuple[str, ...] = ("numpy", "torch")) -> int:
    """Times rows as `options` say (`only`, `quick`, `rounds`, `threads`, `json`, `html`) and prints them one
    by one. Gives 1 if a row failed, or if a quick run of all finds that the kernels lost their lead; else 0.
    """
    chosen = matching(rows, options.only)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    with running(others, options.threads) as (sides, versions):
        report = Report(versions, options.threads, rounds)
        print(report.heading(), flush=True)
        for row in chosen:
            result = measure(row, sides, rounds, QUICK_SECONDS if options.quick else SECONDS)
            print(report.add(result), flush=True)
    print(report.summary())
    if options.json is not None:
        report.write_json(options.json)
    if options.html is not None:
        report.write_html(options.html)
    lead = report.mean("numpy")
    if options.quick and not options.only and lead is not None and lead < LEAD:
        print(f"bench: the kernels have lost their lead over the NumPy path: {lead:.2f}", file=sys.stderr)
        return 1
    return 1 if report.errors else 0
