"""The optimizer: rates, sizes of steps, decay, clipping, reduction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tensorgrad.doctor import measures
from tensorgrad.doctor.recording import Layer
from tensorgrad.doctor.rules import Case, Finding, median

IDLE = (
    "missing-backward", "missing-step", "backward-inside-no-grad", "detached-loss", "missing-zero-grad",
    "bad-clip", "nan-in-data", "nan-birth", "stale-parameter",
)  # fmt: skip


def zero_rate(case: Case) -> Iterator[Finding]:
    for optimizer in case.stepping:
        if optimizer.checked >= 5 and optimizer.zero_rates > optimizer.checked / 2:
            text = f"The learning rate was 0 in {optimizer.zero_rates} of {optimizer.checked} steps."
            place = optimizer.scheduler or optimizer.made or optimizer.step_place
            yield Finding("lr-zero", text, place=place, evidence={"steps": optimizer.zero_rates})


def clipped(case: Case) -> Iterator[Finding]:
    for optimizer in case.stepping:
        left = median(optimizer.clips)
        if len(optimizer.clips) >= 5 and left < 1e-3:
            calls = {each: count for each, (count, _) in case.log.clip_calls.items()} or case.log.grad_writes
            place = max(calls, key=lambda each: calls[each], default=None)
            text = (
                f"Between backward() and step() the gradient shrank to {left:.2g} of its norm, in the middle "
                "of the looks."
            )
            yield Finding(
                "clipped-to-nothing", text, place=place or optimizer.step_place, evidence={"left": left}
            )


def decayed(case: Case) -> Iterator[Finding]:
    """A decay that alone would divide the weights by e^3 within the run, and pulls a fifth as hard as the
    loss or harder.
    """
    if case.found(*IDLE):
        return
    for optimizer in case.stepping:
        if not optimizer.decay or len(optimizer.decays) < 3:
            continue
        weights = [case.log.layers[n] for n in optimizer.numbers if case.log.layers[n].is_weight]
        first = sum(each.norms[0] for each in weights if each.norms)
        last = sum(each.norms[-1] for each in weights if each.norms)
        pull = max(median(optimizer.decays[:30]), median(optimizer.decays))
        long = pull >= 0.2 and optimizer.folds >= 3 and case.trend.fell < 0.8
        if long or (pull >= 0.5 and optimizer.folds >= 1):
            if last > first:
                continue
            text = (
                f"Weight decay {optimizer.decay:g} pulls {pull:.2g} times as hard as the gradient, and the "
                f"weights' norm went from {first:.3g} to {last:.3g}."
            )
            yield Finding("weight-decay-too-strong", text, place=optimizer.made, evidence={"pull": pull})


def step_size(layers: list[Layer], part: slice) -> float:
    """Size of a step by size of the weight: the middle of the layers, and of the looks."""
    rows = [each.ratios[part] for each in layers if each.ratios[part]]
    if not rows:
        return 0.0
    count = min(len(each) for each in rows)
    with np.errstate(all="ignore"):
        return float(np.nanmedian(np.median([each[:count] for each in rows], axis=0)))


def too_high(case: Case) -> Iterator[Finding]:
    """Steps of a tenth of the weights and more, and a loss that does not fall; or one that is summed, and
    does the same.
    """
    if case.found(*IDLE, "lr-zero", "weight-decay-too-strong", "symmetric-init"):
        return
    weights = [each for each in case.weights if len(each.ratios) >= 2]
    site = case.main
    if not weights or site is None or len(site.losses) < 10:
        return
    early, whole = step_size(weights, slice(0, 12)), step_size(weights, slice(None))
    peaks = [max(each.ratios[:40]) for each in weights if np.isfinite(each.ratios[:40]).all()]
    peak = median(peaks) if peaks else np.inf
    went = case.trend
    start = min(went.begin, went.first)
    failed = not np.isfinite(went.last) or went.last > start - 0.1 * abs(start)
    wild = whole > 0.5 and went.noise > 0.3 * abs(went.last)
    if not ((failed and (whole > 0.1 or early > 0.3 or peak > 1.0)) or wild):
        return
    seen = (
        f"A step changes a weight by {early:.2g} of its size at first and {whole:.2g} in the middle, and the "
        "loss goes "
    )
    seen += f"from {went.begin:.3g} to {went.last:.3g}"
    optimizer = case.maker(*weights)
    if site.is_sum:
        text = f"The loss is a sum over its elements, not a mean. {seen}."
        yield Finding("wrong-reduction", text, place=site.summed_place, evidence={"early": early})
    else:
        text = f"{seen}; the rate is {median(optimizer.rates) if optimizer else 0:.3g}."
        place = optimizer.made or optimizer.step_place if optimizer else None
        yield Finding("lr-too-high", text, place=place, evidence={"early": early, "middle": whole})


def too_low(case: Case) -> Iterator[Finding]:
    """All steps together move no weight by two thousandths, or by two hundredths though their gradients point
    the same way all the time, and the loss stays.
    """
    if case.found(*IDLE):
        return
    inside = case.in_optimizers
    weights = [each for each in case.weights if each.ratios and each.requires_grad and each.number in inside]
    if not weights or case.log.steps < 50:
        return
    moved = max(each.moved for each in weights)
    step = max(median(each.ratios) for each in weights)
    pushed = any(median(each.grads) > 0 for each in weights)
    steady = any(measures.signal_to_noise(each.sketches) > 1.0 for each in weights)
    stays = case.trend.drift < 0.05 and np.isfinite(case.trend.last)
    if moved < (2e-2 if steady else 2e-3) and pushed and stays:
        optimizer = case.maker(*weights)
        text = (
            f"In {case.log.steps} steps no weight moved by more than {moved:.2g} of its size (a step: "
            f"{step:.2g}), and the loss "
            f"went from {case.trend.first:.4g} to {case.trend.last:.4g}."
        )
        place = optimizer.made or optimizer.step_place if optimizer else None
        yield Finding("lr-too-low", text, place=place, evidence={"moved": moved, "step": step})


RULES = [zero_rate, clipped, decayed, too_high, too_low]
