"""Tables in CSV files: columns of numbers, columns of words, and what is to be guessed."""

from __future__ import annotations

import csv as reading
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.data import TensorDataset

__all__ = ["Table", "csv"]

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?")


class Table(TensorDataset):
    """The rows of a table, as `datasets.csv` reads them: of each the numbers, the words by their places, and
    the target, of which those are left out that the table does not have.

    `numbers` is float32 (rows, columns), NaN where a cell is missing. `categories` is int64 (rows, columns):
    a word's place among those of its column, from 1 on, and 0 for a cell that is missing or a word that
    `words` does not have. `target` is float32 or int64 (rows,). What is not there is None.

    `number_names` and `category_names` name the columns, `target_name` the target. `words` has the words of
    each column by its name, in order; `classes` those of the target, numbered from 0, or None for a target
    of numbers.
    """

    def __init__(
        self,
        numbers: tg.Tensor | None,
        categories: tg.Tensor | None,
        target: tg.Tensor | None,
        number_names: list[str],
        words: dict[str, list[str]],
        target_name: str | None,
        classes: list[str] | None,
    ):
        super().__init__(*(part for part in (numbers, categories, target) if part is not None))
        self.numbers, self.categories, self.target = numbers, categories, target
        self.number_names, self.category_names, self.target_name = number_names, list(words), target_name
        self.words, self.classes = words, classes

    def __repr__(self) -> str:
        about = "" if self.target_name is None else f", target {self.target_name!r}"
        names = f"numbers {self.number_names}, categories {self.category_names}"
        return f"Table({len(self)} rows; {names}{about})"


def csv(
    path: Any,
    target: str | int | None = None,
    categorical: Sequence[str | int] | None = None,
    numeric: Sequence[str | int] | None = None,
    *,
    like: Table | None = None,
    header: bool = True,
    delimiter: str = ",",
    missing: Sequence[str] = MISSING,
    encoding: str = "utf-8-sig",
) -> Table:
    """The table in a CSV file, as a dataset of rows: a `Table`.

    A target of words becomes int64 classes from 0 on, one of whole numbers int64, any other float32.

    Args:
        path: the file.
        target: the column that is to be guessed, by name or by number.
        categorical: the columns of words, also such as have numbers for names; unless given, those in which
            a cell is no number.
        numeric: the columns of numbers; unless given, the others.
        like: a table from another file, whose columns and words this one gets: how the rows to test on are
            read.
        header: whether the first line has the names; without it they are "0", "1" ...
        delimiter: what stands between cells.
        missing: cells that stand for nothing.
        encoding: of the file.

    Raises ValueError, with the line, for a row that is longer or shorter than others, a cell that is no
    number in a column of numbers, a target that is missing or, with `like`, of a class that the other table
    does not have; KeyError for a column that is not there.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "trains.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("weather,km,late\\nsun,3.5,no\\nsnow,10,yes\\nsun,,no\\n")
    >>> table = tg.datasets.csv(path, target="late")
    >>> table.numbers.tolist(), table.categories.tolist(), table.target.tolist()
    ([[3.5], [10.0], [nan]], [[2], [1], [2]], [0, 1, 0])
    >>> table.words, table.classes
    ({'weather': ['snow', 'sun']}, ['no', 'yes'])
    """
    if like is not None and any(given is not None for given in (target, categorical, numeric)):
        raise ValueError("csv: `like` says which columns are read; leave target, categorical and numeric out")
    cells = _Cells(path, header, delimiter, set(missing), encoding)
    if like is not None:
        goal, words, named = like.target_name, like.category_names, like.number_names
        goal = goal if goal in cells.names else None  # rows that are to be guessed may come without
    else:
        goal = None if target is None else cells.name(target)
        others = [name for name in cells.names if name != goal]
        named = [cells.name(column) for column in numeric or ()]
        if categorical is None:
            words = [name for name in others if name not in named and cells.first_word(name) is not None]
        else:
            words = [cells.name(column) for column in categorical]
        if numeric is None:
            named = [name for name in others if name not in words]
        used = [*words, *named, *([] if goal is None else [goal])]
        twice = {name for name in used if used.count(name) > 1}
        if twice:
            raise ValueError(f"csv: {sorted(twice)} can't be two of target, categorical and numeric")
    known = {name: cells.words(name) if like is None else like.words[name] for name in words}
    numbers = [cells.numbers(name) for name in named]
    categories = [cells.places(name, known[name]) for name in words]
    goals, classes = (None, None if like is None else like.classes)
    if goal is not None:
        goals, classes = cells.target(goal, like)
    if not (numbers or categories or goals is not None):
        raise ValueError(f"csv: {cells.path!r} has no column to read")
    return Table(
        tg.from_numpy(np.stack(numbers, 1).astype(np.float32)) if numbers else None,
        tg.from_numpy(np.stack(categories, 1)) if categories else None,
        goals, list(named), known, goal if like is None else like.target_name, classes,
    )  # fmt: skip


class _Cells:
    """The cells of a file as text, by columns."""

    def __init__(self, path: Any, header: bool, delimiter: str, missing: set[str], encoding: str):
        self.path, self.missing = os.fspath(path), missing
        rows, self.lines = [], []
        with open(path, newline="", encoding=encoding) as file:
            reader = reading.reader(file, delimiter=delimiter, skipinitialspace=True)
            try:
                for row in reader:
                    if row:
                        rows.append(row)
                        self.lines.append(reader.line_num)
            except (reading.Error, UnicodeDecodeError) as error:
                raise ValueError(f"csv: {self.path!r}, after line {reader.line_num}: {error}") from error
        if len(rows) <= header:
            raise ValueError(f"csv: {self.path!r} has no rows")
        for row, line in zip(rows, self.lines):
            if len(row) != len(rows[0]):
                wanted = "" if len(rows[0]) > 1 else f"; is {delimiter!r} what stands between them?"
                raise ValueError(
                    f"csv: {self.path!r}, line {line}: there are {len(row)} cells, and in the first line "
                    f"{len(rows[0])}{wanted}"
                )
        self.names = [cell.strip() for cell in rows[0]] if header else [str(i) for i in range(len(rows[0]))]
        if len(set(self.names)) < len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise ValueError(f"csv: {self.path!r} has more than one column of the names {twice}")
        self.lines = self.lines[header:]
        self.columns = dict(zip(self.names, zip(*rows[header:])))

    def name(self, column: str | int) -> str:
        if not isinstance(column, str):
            if not -len(self.names) <= column < len(self.names):
                raise KeyError(f"csv: {self.path!r} has {len(self.names)} columns, and so no number {column}")
            return self.names[column]
        self._column(column)
        return column

    def _column(self, name: str) -> tuple[str, ...]:
        if name not in self.columns:
            raise KeyError(f"csv: {self.path!r} has no column {name!r}, but {self.names}")
        return self.columns[name]

    def texts(self, name: str) -> list[str | None]:
        """The cells of a column, None where nothing is."""
        found = [cell.strip() for cell in self._column(name)]
        return [None if cell in self.missing else cell for cell in found]

    def first_word(self, name: str) -> int | None:
        """The row of the first cell that is no number."""
        cells = [cell or "nan" for cell in self.texts(name)]
        if _are_numbers(cells):
            return None
        return next(row for row, cell in enumerate(cells) if not _are_numbers([cell]))

    def numbers(self, name: str) -> np.ndarray:
        row = self.first_word(name)
        if row is not None:
            raise ValueError(
                f"csv: {self.path!r}, line {self.lines[row]}: {self.columns[name][row]!r} is no number, and "
                f"{name!r} is a column of numbers"
            )
        return np.array([cell or "nan" for cell in self.texts(name)], np.float64)

    def words(self, name: str) -> list[str]:
        return sorted({cell for cell in self.texts(name) if cell is not None})

    def places(self, name: str, words: list[str]) -> np.ndarray:
        place = {word: n for n, word in enumerate(words, 1)}
        return np.array([place.get(cell, 0) for cell in self.texts(name)], np.int64)  # type: ignore[arg-type]

    def target(self, name: str, like: Table | None) -> tuple[tg.Tensor, list[str] | None]:
        """The target, and its classes if it has words: those of the other table, if there is one."""
        texts = self.texts(name)
        if None in texts:
            line = self.lines[texts.index(None)]
            raise ValueError(f"csv: {self.path!r}, line {line}: the target {name!r} is missing")
        classes = like.classes if like is not None else None
        if classes is None and (like is not None or self.first_word(name) is None):
            numbers = self.numbers(name)
            whole = all(cell.lstrip("+-").isdecimal() and len(cell) < 16 for cell in texts)  # type: ignore
            if like is not None and like.target is not None:
                whole = like.target.dtype is tg.int64 and whole
            return tg.from_numpy(numbers.astype(np.int64 if whole else np.float32)), None
        classes = self.words(name) if classes is None else classes
        places = self.places(name, classes) - 1
        if (places < 0).any():
            row = int(places.argmin())
            raise ValueError(
                f"csv: {self.path!r}, line {self.lines[row]}: the target {texts[row]!r} is none of the other "
                f"table's classes {classes}"
            )
        return tg.from_numpy(places), classes


def _are_numbers(cells: list[str]) -> bool:
    try:
        np.array(cells, np.float64)
    except ValueError:
        return False
    return not any("_" in cell for cell in cells)  # which Python allows between digits
