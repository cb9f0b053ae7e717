"""The loss: what it is given, along which axis, how it is added up."""

from __future__ import annotations

from collections.abc import Iterator

from tensorgrad.doctor.rules import Case, Finding


def probabilities(case: Case) -> Iterator[Finding]:
    """Losses of raw scores that are given probabilities in nine of ten looks."""
    for (place, name), site in case.log.loss_sites.items():
        if site.looks < 3:
            continue
        given = site.probabilities + site.squashes
        if given < 0.9 * site.looks:
            continue
        if name == "binary_cross_entropy_with_logits":
            text = f"{name} was given values between 0 and 1 from a sigmoid in {given} of {site.looks} looks."
            yield Finding("sigmoid-before-bce-with-logits", text, place=place)
        else:
            text = (
                f"{name} was given what a softmax or sigmoid left between 0 and 1 in {given} of "
                f"{site.looks} looks."
            )
            yield Finding("softmax-before-cross-entropy", text, place=place)


def axes(case: Case) -> Iterator[Finding]:
    for (place, made), (count, what, shape) in case.log.axes.items():
        if count >= 3:
            text = f"The values of shape {tuple(shape)} add up to one along {what}, in {count} looks."
            yield Finding("softmax-wrong-dim", text, place=made or place)
            return


def tables(case: Case) -> Iterator[Finding]:
    for (place, one, two, whole), (count,) in case.log.broadcasts.items():
        if count >= 2:
            text = f"Shapes {one} and {two} made a table of shape {whole}, in {count} looks."
            yield Finding("broadcast-loss", text, place=place, evidence={"shapes": [list(one), list(two)]})
            return


RULES = [probabilities, axes, tables]
