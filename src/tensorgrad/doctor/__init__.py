"""Why a network does not learn: a run is listened to, and what stops it is named, with figures and lines.

`python -m tensorgrad doctor SCRIPT.py` does it to a whole script, `watch` to what stands inside a `with`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tensorgrad.doctor.reports import Report
from tensorgrad.doctor.rules import Finding
from tensorgrad.doctor.running import note_error, run_script
from tensorgrad.doctor.watching import Watcher

__all__ = ["Finding", "Report", "run_script", "watch"]


class watch:
    """Listens to the training steps inside a `with`; its report has the findings when the block is left.

    Args:
        model: the network, or several of them in a list; None for whatever is called.
        optimizer: the optimizer, or several; None for whatever steps.

    Errors: `RuntimeError` if another `watch` is open. An error inside the block goes on, and is a
    finding too.

    >>> model = nn.Linear(2, 1)
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=0.0)
    >>> with tg.doctor.watch(model, optimizer) as report:
    ...     for _ in range(8):
    ...         optimizer.zero_grad()
    ...         model(tg.randn(4, 2)).square().mean().backward()
    ...         optimizer.step()
    >>> [finding.code for finding in report.findings]
    ['lr-zero']
    """

    _running = False

    def __init__(self, model: Any = None, optimizer: Any = None) -> None:
        self.models = _several(model)
        self.optimizers = _several(optimizer)
        self.report = Report()

    def __enter__(self) -> Report:
        if watch._running:
            raise RuntimeError("doctor.watch: another run is being listened to; leave that block first")
        self.watcher = Watcher()
        watch._running = True
        self.watcher.start()
        self.watcher.ear.setting_up = False
        for model in self.models:
            self.watcher.name_modules(model)
        for optimizer in self.optimizers:
            self.watcher.know_optimizer(optimizer)
        return self.report

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        watch._running = False
        if isinstance(error, Exception):
            note_error(self.watcher, error)
        self.watcher.stop()
        self.report.__init__(self.watcher.log)  # type: ignore[misc]


def _several(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, Iterable) and not callable(given) else [given]
