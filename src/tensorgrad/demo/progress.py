"""A progress bar in plain text."""

from __future__ import annotations

import sys
from typing import TextIO

WIDTH = 30


class Progress:
    """A bar that fills up, with figures behind it.

    In a terminal one line is drawn over and over; into a file or a pipe go ten lines in all.
    """

    def __init__(self, total: int, unit: str, stream: TextIO | None = None):
        self.total = total
        self.unit = unit
        self.stream = sys.stdout if stream is None else stream
        self.live = self.stream.isatty()

    def show(self, done: int, figures: str) -> None:
        """Draws the bar at `done` of `total`."""
        last = done == self.total
        if not (self.live or last or done * 10 // self.total > (done - 1) * 10 // self.total):
            return
        filled = WIDTH * done // self.total
        bar = "#" * filled + "." * (WIDTH - filled)
        start, end = ("\r", "\n" if last else "") if self.live else ("", "\n")
        digits = len(str(self.total))
        self.stream.write(f"{start}  {self.unit} {done:{digits}}/{self.total} [{bar}] {figures}{end}")
        self.stream.flush()
