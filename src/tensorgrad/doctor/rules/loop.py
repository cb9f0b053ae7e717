"""The loop: what is called, in which order, in which mode."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tensorgrad.doctor.places import Place, freezing_lines, is_users
from tensorgrad.doctor.recording import Layer, OptimizerLog
from tensorgrad.doctor.rules import Case, Finding

ENOUGH = 5  # steps or backward passes before an omission counts


def script_error(case: Case) -> Iterator[Finding]:
    error = case.log.error
    if error is None:
        return
    kind, message, place, lone, second = error
    yield Finding("script-error", f"The script ended with {kind}: {message}", place=place)
    if lone:
        text = f"Batch norm in training met a batch of one row, of shape {lone}."
        yield Finding("batch-of-one-norm", text, place=place, evidence={"shape": list(lone)})
    if second and case.main is not None and case.main.count > 1:
        text = (
            f"backward() number {case.main.count} of this line went into the graph of an earlier step, whose "
            "saved values were gone: a tensor was carried over from there."
        )
        yield Finding("hidden-state-not-detached", text, place=place)


def no_grad(case: Case) -> Iterator[Finding]:
    """Backward, or the forward pass before it, with gradients switched off."""
    for site in case.log.walk_sites.values():
        cut = site.cut or site.unreached
        if site.no_grad and site.no_grad >= site.count / 2 and (cut or site.forward_off):
            text = (
                f"{site.no_grad} of {max(site.count, 1)} backward passes ran while gradients were switched "
                "off."
            )
        elif site.forward_off and site.forward_off >= site.looks / 2 and cut:
            text = (
                f"The model ran with gradients off in {site.forward_off} of {site.looks} steps that were "
                "looked at."
            )
        else:
            continue
        yield Finding("backward-inside-no-grad", text, place=site.place)


def detached_loss(case: Case) -> Iterator[Finding]:
    if case.found("backward-inside-no-grad"):
        return
    for site in case.log.walk_sites.values():
        cut = site.cut >= max(1, site.count) / 2 and site.cut > 0
        if not cut and not (site.unreached and site.unreached >= min(site.looks, 3) > 0):
            continue
        if not case.log.layers:
            continue
        what = f"{site.cut} of {max(site.count, 1)} losses had" if cut else "the losses looked at had"
        text = f"{what} no way back to any parameter of the network when backward() was called."
        yield Finding(
            "detached-loss", text[0].upper() + text[1:], place=site.place, evidence={"calls": site.count}
        )


def missing_backward(case: Case) -> Iterator[Finding]:
    if case.found("backward-inside-no-grad", "detached-loss", "stale-parameter"):
        return
    for optimizer in case.stepping:
        without = without_gradient(case, optimizer)
        if optimizer.steps >= 3 and without and len(without) == len(optimizer.numbers):
            text = (
                f"{optimizer.kind} stepped {optimizer.steps} times, and none of its {len(optimizer.numbers)} "
                f"parameters ever had a gradient; there were {case.log.walks} backward passes in all."
            )
            yield Finding(
                "missing-backward", text, place=optimizer.step_place, evidence={"steps": optimizer.steps}
            )


def missing_step(case: Case) -> Iterator[Finding]:
    """Gradients arrive, an optimizer is there, and it never steps. Parameters that change by hand are no
    fault.
    """
    taken = {number for each in case.stepping for number in each.numbers}
    for optimizer in case.log.optimizers:
        if optimizer.steps or case.log.walks < ENOUGH:
            continue
        own = [case.log.layers[number] for number in optimizer.numbers if number not in taken]
        moved = [each for each in own if each.moved > 0 or each.changed]
        if own and not moved and any(each.had_grad for each in own):
            text = f"{case.log.walks} backward passes, and {optimizer.kind}.step() was never called."
            yield Finding(
                "missing-step", text, place=optimizer.made, evidence={"backward passes": case.log.walks}
            )


def missing_zero_grad(case: Case) -> Iterator[Finding]:
    if case.found("missing-backward", "backward-inside-no-grad", "detached-loss"):
        return
    for optimizer in case.stepping:
        noted = optimizer.checked
        if noted >= ENOUGH and optimizer.uncleared - 1 > noted / 2 and case.log.walks >= ENOUGH:
            text = (
                f"In {optimizer.uncleared} of {noted} steps the gradients of the step before were still "
                "there when backward() added the new ones."
            )
            yield Finding(
                "missing-zero-grad", text, place=optimizer.step_place, evidence={"steps": optimizer.steps}
            )


def bad_clip(case: Case) -> Iterator[Finding]:
    for place, (calls, before) in case.log.clip_calls.items():
        if calls >= ENOUGH and before >= 0.8 * calls:
            text = f"{before} of {calls} times the gradients were clipped before backward() and not after it."
            yield Finding("bad-clip", text, place=place, evidence={"calls": calls})


def lone_rows(case: Case) -> Iterator[Finding]:
    if case.found("batch-of-one-norm"):
        return
    for place, (alone, calls, name, shape) in case.log.lone_rows.items():
        if alone:
            text = f"Batch norm trained on a single row in {alone} of {calls} calls looked at; shape {shape}."
            yield Finding(
                "batch-of-one-norm", text, module=name or None, place=place, evidence={"calls": alone}
            )


def modes(case: Case) -> Iterator[Finding]:
    """Training in evaluation mode, evaluation in training mode."""
    for off, count, switched, called, kinds in case.log.eval_steps.values():
        if count >= ENOUGH and off >= count / 2:
            text = (
                f"{off} of {count} training steps ran in evaluation mode, with {', '.join(kinds)} in the "
                "model."
            )
            yield Finding("eval-left-on", text, place=switched or called, evidence={"steps": off})
    for place, (training, calls, kinds, sure) in case.log.train_evals.items():
        if place in case.log.teachers:
            continue
        if training and sure and training >= calls / 2 and case.log.steps >= ENOUGH:
            text = (
                f"After training began the model was called {training} times for evaluation here, in "
                f"training mode, with {', '.join(kinds)} in it."
            )
            yield Finding("train-left-on", text, place=place, evidence={"calls": training})


def states(case: Case) -> Iterator[Finding]:
    """Backward passes that get longer and longer."""
    if case.found("hidden-state-not-detached"):
        return
    for site in case.log.walk_sites.values():
        if not site.retained or len(site.nodes) < ENOUGH:
            continue
        runs = longest_growth(site.nodes)
        if runs[0] >= ENOUGH and runs[2] >= 2 * runs[1]:
            text = (
                f"With retain_graph=True the way back grew from {runs[1]} to {runs[2]} steps over {runs[0]} "
                "calls: each goes through the batches before it again."
            )
            yield Finding(
                "hidden-state-not-detached", text, place=site.place, evidence={"from": runs[1], "to": runs[2]}
            )


def longest_growth(nodes: list[tuple[int, int]]) -> tuple[int, int, int]:
    """The longest run of calls in which the way back grew each time: how many, from, to."""
    best, start = (0, 0, 0), 0
    for i in range(1, len(nodes) + 1):
        if i == len(nodes) or nodes[i][1] <= nodes[i - 1][1]:
            if i - start > best[0]:
                best = (i - start, nodes[start][1], nodes[i - 1][1])
            start = i
    return best


def graphs(case: Case) -> Iterator[Finding]:
    """Lists and sums that keep graphs."""
    if case.log.kept is not None and not case.found("hidden-state-not-detached"):
        place, name, count = case.log.kept
        text = f"The losses of {count} past steps were still there with their graphs"
        text += f", in {name!r}." if name else "."
        yield Finding("graph-kept", text, place=place, evidence={"losses": count})
        return
    for place, (count, walks) in case.log.chains.items():
        if count >= 16 and (walks >= 8 or place not in case.log.used_sums):
            text = f"A sum went on here for {count} terms with the graph of each"
            text += "." if place in case.log.used_sums else ", and no backward pass used it."
            yield Finding("graph-kept", text, place=place, evidence={"terms": count})
            return


# ---- which parameters take part


def where_not(layer: Layer, optimizer: OptimizerLog | None) -> Place | None:
    """A layer that the model does not list is at fault itself, else the optimizer's parameters are."""
    if not layer.in_tree or optimizer is None or optimizer.made is None:
        return layer.made or layer.registered_at or (optimizer.made if optimizer else None)
    return optimizer.made


def outside(case: Case) -> list[Layer]:
    """Parameters that get gradients, never change, and are in no optimizer, while some optimizer steps."""
    log = case.log
    if not case.stepping or log.steps < 3 or case.found("backward-inside-no-grad", "detached-loss"):
        return []
    inside = case.in_optimizers
    return [
        each
        for each in log.layers
        if each.number not in inside and each.requires_grad and each.had_grad and not each.changed
        and each.moved == 0 and (each.kind or each.used >= 3)
    ]  # fmt: skip


def without_gradient(case: Case, optimizer: OptimizerLog) -> list[Layer]:
    """An optimizer's parameters that want gradients and never had one."""
    layers = case.log.layers
    pending = [layers[n] for n in sorted(optimizer.pending) if n not in optimizer.frozen]
    return [each for each in pending if each.requires_grad and not each.reached]


def stale(case: Case) -> Iterator[Finding]:
    """An optimizer with parameters that no loss reaches, and newer ones, or some of the same shapes, that no
    optimizer has.
    """
    others = outside(case)
    for optimizer in case.stepping:
        without = without_gradient(case, optimizer)
        if optimizer.steps < 3 or not without or not others:
            continue
        shapes = [each.shape for each in without]
        newer = [each for each in others if each.registered > optimizer.order]
        if not newer and not all(each.shape in shapes for each in others):
            continue
        new = (newer or others)[0]
        text = (
            f"{optimizer.kind} has {len(without)} parameters that no loss reaches any more, and "
            f"{len(newer or others)} new ones ({new.name} first) get gradients and are in no optimizer."
        )
        yield Finding(
            "stale-parameter", text, module=new.name, place=new.registered_at or new.made or optimizer.made
        )
        return


def left_out(case: Case) -> Iterator[Finding]:
    """Parameters with gradients and no optimizer; optimizers with parameters that never had one."""
    if case.found("backward-inside-no-grad", "detached-loss", "stale-parameter"):
        return
    for optimizer in case.stepping:
        without = without_gradient(case, optimizer)
        if optimizer.steps < 3 or not without or len(without) == len(optimizer.numbers):
            continue
        used = [each for each in without if each.used]
        one = (used or without)[0]
        if used:
            text = f"{one.name} is used in forward, and in {optimizer.steps} steps it never had a gradient"
        else:
            text = (
                f"{one.name} is in {optimizer.kind}, and in {optimizer.steps} steps no forward pass used it"
            )
        text += f" ({len(without)} of {len(optimizer.numbers)} parameters are like that)."
        place = next((each.cut_at for each in without if each.cut_at), None) or one.made or optimizer.made
        yield Finding("no-gradient", text, module=one.name, place=place)
    others = outside(case)
    if others:
        one = others[0]
        optimizer = max(case.stepping, key=lambda each: each.steps)
        text = f"{one.name} gets gradients, and no optimizer has it ({len(others)} parameters are like that)."
        copied = one.how == "kernel" and one.written != one.made  # as when it was loaded
        severity = "info" if copied else ""
        yield Finding(
            "not-in-optimizer", text, module=one.name, place=where_not(one, optimizer), severity=severity
        )


def frozen(case: Case) -> Iterator[Finding]:
    """Layers as they were drawn that were switched off. What was trained or copied before may well be
    frozen.
    """
    log = case.log
    moving = {number for each in case.stepping for number in each.numbers if number not in each.frozen}
    if not moving:
        return
    fresh = [
        each
        for each in log.layers
        if not each.requires_grad and each.kind and each.how == "draw" and each.used and not each.changed
        and not each.had_grad and each.number not in moving and each.moved == 0
    ]  # fmt: skip
    inside = [each for each in fresh if any(each.number in optimizer.numbers for optimizer in case.stepping)]
    some = inside or [each for each in fresh if each.mixed]
    some = [each for each in some if each.is_weight] or some
    if not some:
        return
    one = some[0]
    place = one.made
    if place is not None and is_users(place.file):
        lines = freezing_lines(place.file)
        if len(lines) == 1:
            place = Place(place.file, lines[0])
    where = "an optimizer has it" if inside else "no optimizer has it"
    meant = not inside and case.learned(0.8)  # random features, as they are used on purpose
    text = (
        f"{one.name} has requires_grad False, was never trained, and {where} ({len(some)} weights are like "
        "that)."
    )
    yield Finding("frozen", text, module=one.name, place=place, severity="info" if meant else "")


def last_resort(case: Case) -> Iterator[Finding]:
    """One answer for all rows, where nothing else explains it."""
    if case.alarmed or case.log.steps < 100:
        return
    for (_, name), answers in case.log.answer_sites.items():
        if answers.guesses and answers.looks >= 8:
            counts: dict = {}
            varied = 0
            late = [seen for seen in answers.guesses if seen[0] >= case.log.steps / 2]
            for _, each, mixed in late:
                varied += mixed
                for kind, count in each.items():
                    counts[kind] = counts.get(kind, 0) + count
            total = sum(counts.values())
            top = max(counts.values(), default=0)
            wanted = sum(answers.wanted.values())
            most = max(answers.wanted.values())
            others, rare = 1 - top / max(total, 1), 1 - most / wanted
            if varied >= len(late) / 4 and others <= min(0.03, 0.3 * rare) and rare * total >= 5:
                text = (
                    f"{100 * top / total:.1f} % of the last {total} answers are one and the same class, "
                    f"which is right for {100 * most / wanted:.1f} % of the rows."
                )
                yield Finding(
                    "constant-prediction", text, place=None, evidence={"loss": name, "answers": total}
                )
                return
        elif answers.said_spreads and answers.looks >= 8:
            said = float(np.median(list(answers.said_spreads)))
            wanted = float(np.median(answers.wanted_spreads))
            if wanted > 0 and said < 0.01 * wanted:
                text = f"The answers of a batch spread by {said:.2g}, the targets by {wanted:.2g}."
                yield Finding("constant-prediction", text, place=None, evidence={"loss": name})
                return


RULES = [
    script_error, no_grad, detached_loss, stale, missing_backward, missing_step, missing_zero_grad, bad_clip,
    lone_rows, modes, states, graphs, left_out, frozen,
]  # fmt: skip
LATER = [last_resort]
