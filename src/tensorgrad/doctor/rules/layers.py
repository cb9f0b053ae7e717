"""The layers: how they were drawn, whether signal and gradient come through, what sleeps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tensorgrad.doctor.places import Place
from tensorgrad.doctor.recording import Layer, Site
from tensorgrad.doctor.rules import Case, Finding, median


def source(case: Case, site: Site) -> Layer | None:
    """The layer whose output an activation sees."""
    return case.log.layers[site.weight] if 0 <= site.weight < len(case.log.layers) else None


def blame(case: Case, site: Site) -> tuple[str | None, Place | None]:
    """Name and line of what makes an activation's values: where the weights were set, else the bias, else
    the layer.
    """
    weight = source(case, site)
    if weight is None:
        return site.module or None, site.made or site.place
    name = weight.name.rpartition(".")[0] or weight.name
    for layer in (weight, *siblings(case, weight)):
        if layer.written is not None and layer.written != weight.made:
            return name, layer.written
    return name, weight.made or weight.written or site.place


def siblings(case: Case, layer: Layer) -> list[Layer]:
    """The other parameters of a layer's module."""
    prefix = layer.name.rpartition(".")[0]
    return [each for each in case.log.layers if each is not layer and each.name.rpartition(".")[0] == prefix]


def symmetric(case: Case) -> Iterator[Finding]:
    for layer in case.weights:
        if layer.kind in ("Embedding", "EmbeddingBag") or not layer.requires_grad:
            continue
        if layer.same_rows >= 4 and layer.same_rows >= 0.8 * layer.row_looks:
            if layer.number in case.log.products or layer.number in case.log.repeats:
                text = (
                    f"The {layer.shape[0]} units of {layer.name} had the same weights in the last "
                    f"{layer.same_rows} of {layer.row_looks} steps looked at."
                )
                yield Finding("symmetric-init", text, module=layer.name, place=layer.where)
                return


def dropped(case: Case) -> Iterator[Finding]:
    for site in case.log.sites.values():
        share = median(site.shares)
        if site.kind == "dropout" and site.looks >= 3 and share >= 0.88:
            text = f"Dropout takes {100 * share:.0f} % of the values away."
            yield Finding(
                "dropout-too-strong", text, module=site.module or None, place=site.made or site.place
            )
            return


def straight(case: Case) -> Iterator[Finding]:
    """Products with nothing between them that bends. A bottleneck, or a net that learned, is a remark."""
    log = case.log
    if not log.pairs:
        return
    any_bent = any(bent for _, bent, _ in log.products.values())
    for (one, two), place in log.pairs.items():
        first, second = log.layers[one], log.layers[two]
        if not (first.is_weight and second.is_weight) or not (first.grads and second.grads):
            continue
        into = int(np.prod(first.shape[1:]))
        between, out = first.shape[0], second.shape[0]
        text = (
            f"{first.name} and {second.name} follow each other ({into} to {between} to {out}) with nothing "
            "that bends between"
        )
        text += "." if any_bent else ", nor is there anything that bends in the whole net."
        quiet = case.trend.fell > 0.95 or (any_bent and between <= max(into, out))
        severity = "info" if quiet else ""
        yield Finding("no-nonlinearity", text, module=second.name, place=place, severity=severity)
        if not severity:
            return


def growth(case: Case) -> Iterator[Finding]:
    """Values or gradients that grow on their way in the first look, before any step has changed a weight."""
    log = case.log
    row = next((row for row in log.size_rows[:3] if len(row) > 2), [])
    given = max((float(np.sqrt(kept[1][0].mean())) for kept in log.columns.values()), default=0.0)
    factor = 0.0
    if row:
        sizes = np.array(row)
        with np.errstate(all="ignore"):
            factor = float(sizes.max() / max(sizes[0], given, 0.1))
        factor = factor if np.isfinite(factor) else np.inf
    site = case.main
    back = site.growths[0] if site is not None and site.growths else 0.0
    if not (factor > 100 or back > 1e6) or case.learned(0.5):
        return
    weights = [each for each in case.weights if each.norms]
    if not weights:
        return
    fed = [each for each in weights if log.products.get(each.number, (0, 0, 0))[2]]
    fed = [*fed, *(each for each in weights if each.number in log.repeats)] or weights

    def multiplied(layer: Layer) -> float:
        """How much a layer multiplies by itself, as often as it does: a log."""
        gain = layer.norms[0] / max(min(layer.shape), 1) ** 0.5
        often = log.repeats.get(layer.number) or log.products.get(layer.number, (1, 0, 0))[0]
        return float(np.log(max(gain, 1e-30))) * often

    worst = max(fed, key=multiplied)
    ways = []
    if factor > 1:
        ways.append(f"values grow {factor:.3g} times from the first layer on")
    if back > 1:
        ways.append(f"gradients {'grow ' * (factor <= 1)}{back:.3g} times on their way back")
    text = f"At the first step {', and '.join(ways)}."
    yield Finding(
        "exploding-gradient", text, module=worst.name, place=worst.where, evidence={"factor": factor}
    )


def vanishing(case: Case) -> Iterator[Finding]:
    """The gradient of the first layers is under a ten thousandth of the last ones', in the middle of the
    looks.
    """
    weights = [each for each in case.weights if each.number in case.log.products]
    if len(weights) < 4:
        return
    sizes = []
    for layer in weights:
        seen = [each for each in layer.grads if np.isfinite(each)]
        sizes.append(median(seen) / layer.count**0.5 if seen else 0.0)
    ratio = sizes[0] / max(sizes[-1], 1e-300)
    if sizes[-1] > 0 and ratio < 1e-4:
        text = (
            f"The gradient of {weights[0].name} is {ratio:.2g} times that of {weights[-1].name}, "
            f"{len(weights) - 1} layers later."
        )
        severity = "info" if case.learned(0.5) else ""
        yield Finding(
            "vanishing-gradient", text, module=weights[0].name, place=weights[0].made, severity=severity
        )


def asleep(case: Case) -> Iterator[Finding]:
    """Layers of which nine in ten units were not woken by any of the recent batches."""
    for site in case.log.sites.values():
        if site.kind != "relu" or site.looks < 8 or site.units < 1:
            continue
        share = site.asleep()
        if share >= 0.9:
            name, place = blame(case, site)
            text = (
                f"{100 * share:.0f} % of {site.units} ReLU units gave zero for all rows of the last "
                f"{len(site.recent)} batches."
            )
            yield Finding("dead-relu", text, module=name, place=place, evidence={"asleep": share})
            return


def squashed(case: Case) -> Iterator[Finding]:
    """Layers with three quarters of the values at the ends at first, or nine in ten at last."""
    for site in case.log.sites.values():
        if site.kind != "squash" or site.looks < 5:
            continue
        weight = source(case, site)
        if weight is None or (weight.shape and weight.shape[0] == 1):
            continue
        early, late = median(site.shares[:10]), median(site.shares[-10:])
        hidden = any(one == site.weight for one, _ in case.log.pairs) or not is_last(case, weight)
        if hidden and (early >= 0.75 or late >= 0.9):
            name, place = blame(case, site)
            text = (
                f"{100 * early:.0f} % of the {site.op} values sit at the ends of the range at first, "
                f"{100 * late:.0f} % at last."
            )
            yield Finding(
                "saturated", text, module=name, place=place, evidence={"early": early, "late": late}
            )
            return


def is_last(case: Case, layer: Layer) -> bool:
    weights = [each for each in case.weights if each.number in case.log.products]
    return bool(weights) and weights[-1] is layer


RULES = [symmetric, dropped, growth, squashed, asleep, vanishing, straight]
