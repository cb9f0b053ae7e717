"""The data: what goes in, what is wanted, and whether the two belong together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tensorgrad.doctor import measures
from tensorgrad.doctor.recording import Birth
from tensorgrad.doctor.rules import Case, Finding


def not_finite(case: Case) -> Iterator[Finding]:
    """Where the first NaN was born that reached a loss, a gradient or a parameter."""
    log = case.log
    if log.first_bad is None:
        return
    named = [(walk, birth) for walk, birth in log.births if birth.name]
    births = sorted(named, key=lambda pair: pair[0])
    near = [birth for walk, birth in births if walk >= log.first_bad[0] - 1]
    first = near[0] if near else births[-1][1] if births else None
    what = f"The {log.first_bad[1]} was not finite in backward pass {log.first_bad[0]}."
    unnamed = [birth for _, birth in log.births[:1] if not birth.name and not birth.on_the_way_back]
    if first is None and (log.data_bad or unnamed):
        early = log.early_births[0] if log.early_births else None
        if log.data_bad or (log.bad_targets and log.infinity is None) or early is not None:
            text = f"Inputs or targets hold NaN or infinity. {what}"
            if early is not None:
                text += f" They come from {early.name}: {early.seen}."
            yield Finding("nan-in-data", text, place=early.place if early else None)
            return
    first = first or log.infinity
    if first is not None and first.name and not first.overflow:
        yield birth_finding(first, what)


def birth_finding(birth: Birth, what: str) -> Finding:
    side = "on the way back through " if birth.on_the_way_back else ""
    text = f"{what} The first came {side or 'out of '}{birth.name}: {birth.seen}."
    return Finding("nan-birth", text, place=birth.place, evidence={"op": birth.name})


def constant_input(case: Case) -> Iterator[Finding]:
    same, looks = case.log.constant_looks
    alone = case.log.lone_looks == looks >= 8 and len(case.log.first_rows) == 1 < len(case.log.lone_targets)
    if looks >= 3 and same >= 0.95 * looks or alone:
        text = f"In {same or looks} of {looks} looks every row that went into the first layer was the same."
        yield Finding("constant-input", text, place=case.log.constant_place, evidence={"looks": looks})


def input_scale(case: Case) -> Iterator[Finding]:
    """Columns of size over 50, or spread a hundred times as far as the middle one. Where the net learned all
    the same: a remark.
    """
    if case.found("constant-input", "nan-in-data"):
        return
    for place, (_, (squares, _, spreads)) in case.log.columns.items():
        sizes = np.sqrt(squares)
        largest = float(sizes.max())
        live = spreads[spreads > 1e-9 * max(largest, 1e-30)]
        ratio = float(live.max() / np.median(live)) if len(live) > 1 else 1.0
        if largest > 50 or (ratio > 100 and largest > 5):
            text = f"The input's columns have sizes from {sizes.min():.3g} to {largest:.3g}"
            text += f"; the widest spreads {ratio:.3g} times as far as the middle one." if ratio > 10 else "."
            learned = case.trend.fell > 0.9 and not case.alarmed
            yield Finding(
                "input-scale",
                text,
                place=place,
                severity="info" if learned else "",
                evidence={"largest": largest},
            )
            return


def unrelated(case: Case) -> Iterator[Finding]:
    """Near rows agree no more than by chance, no column goes with what is wanted, and the loss stays where
    frequencies alone bring it.
    """
    if case.alarmed:
        return
    for answers in case.log.answer_sites.values():
        if answers.pairs < 400 or case.log.steps < 50 or answers.spread <= 0:
            continue
        score = (answers.alike - answers.expected) / answers.spread**0.5
        if score > 3.0 or answers.columns_tell:
            continue
        last, level = case.trend.last, answers.level
        if level is None:
            level = answers.variance
            stuck = last > 0.85 * level
        elif len(answers.wanted) < 2 or max(answers.wanted.values()) > 0.9 * sum(answers.wanted.values()):
            continue
        else:
            stuck = 0.85 * level < last < 3 * level
        if stuck:
            text = (
                f"Of {answers.pairs} rows and their nearest neighbours {answers.alike:.0f} want the same, by "
                "chance it would "
                f"be {answers.expected:.0f}; and the loss stays at {case.trend.last:.3g}, where frequencies "
                f"alone give {level:.3g}."
            )
            yield Finding(
                "labels-unrelated", text, place=None, evidence={"pairs": answers.pairs, "score": score}
            )
            return


def sorted_batches(case: Case) -> Iterator[Finding]:
    """Batches that hold one class each, or of sorted values; a series in time order may be as it is if it is
    learned.
    """
    for place, runs in case.log.target_runs.items():
        runs = merged(runs)
        if len(runs) < 6 or min(len(values) for _, values in runs) < 2:
            continue
        mixed = measures.mixing(runs)
        whole = np.concatenate([values.astype(np.float64) for _, values in runs])
        if runs[0][0] == "class":
            fault = mixed < 0.5
        else:
            site = case.log.walk_sites.get(place)
            late = measures.trend(site.losses).last if site else 0.0
            fault = mixed < 0.3 and not late <= 0.3 * float(whole.var())
        if fault and len(np.unique(whole)) > 1:
            ordered = [made for made, in_order in case.log.loaders if in_order and made is not None]
            text = (
                f"Targets vary within a batch {mixed:.2f} times as much as in well mixed ones, over "
                f"{len(runs)} batches."
            )
            yield Finding(
                "not-shuffled", text, place=ordered[0] if ordered else None, evidence={"mixing": mixed}
            )
            return


def merged(runs: list[tuple[str, np.ndarray]]) -> list[tuple[str, np.ndarray]]:
    """Batches of few rows put together in their order, eight rows at least."""
    if not runs or min(len(values) for _, values in runs) >= 4:
        return runs
    found, waiting = [], []
    for kind, values in runs:
        waiting.append(values)
        if sum(map(len, waiting)) >= 8:
            found.append((kind, np.concatenate(waiting)))
            waiting = []
    return found


RULES = [not_finite, constant_input, sorted_batches, input_scale]
LATER = [unrelated]
