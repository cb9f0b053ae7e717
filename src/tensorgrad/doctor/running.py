"""Running a script unchanged, under the doctor's eyes."""

from __future__ import annotations

import os
import sys
import time
import traceback
import types
from typing import Any

from tensorgrad.doctor.knowing import clock
from tensorgrad.doctor.places import Place, is_users
from tensorgrad.doctor.reports import Report
from tensorgrad.doctor.watching import Watcher
from tensorgrad.nn.modules.batchnorm import _BatchNorm

FREE = 0.6  # seconds of looks beside the second that Python, its imports and the data take anyway


def _since() -> float:
    """When this process began, on the clock of the doctor; what start and imports took counts as
    the run's.
    """
    return clock() - time.process_time()


def run_script(path: str, arguments: list[str]) -> Report:
    """Runs a script as `python path arguments` would, and gives the report.

    An error of the script is shown with its traceback and becomes a finding; `sys.exit` ends it as usual.
    """
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")
    main = types.ModuleType("__main__")
    main.__file__ = path
    watcher = Watcher(_since(), FREE)
    before = sys.argv, sys.path[:], sys.modules.get("__main__")
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    sys.modules["__main__"] = main
    watcher.start()
    try:
        exec(code, main.__dict__)
    except SystemExit as end:
        if end.code not in (None, 0):
            note_error(watcher, end)
    except Exception as error:
        note_error(watcher, error)
        shown = error.__traceback__.tb_next if error.__traceback__ is not None else None
        traceback.print_exception(type(error), error, shown)
    finally:
        watcher.stop()
        sys.argv, sys.path[:] = before[0], before[1]
        if before[2] is not None:
            sys.modules["__main__"] = before[2]
        sys.stdout.flush()
    return Report(watcher.log, path)


def note_error(watcher: Watcher, error: BaseException) -> None:
    """What an error says of the run: the user's line, and whether batch norm or a graph of old is behind
    it.
    """
    place, lone = None, None
    step: Any = error.__traceback__
    while step is not None:
        frame = step.tb_frame
        if is_users(frame.f_code.co_filename):
            place = Place(frame.f_code.co_filename, step.tb_lineno)
        module = frame.f_locals.get("self")
        if isinstance(module, _BatchNorm) and module.training:
            given = frame.f_locals.get("input")
            if given is not None and getattr(given, "shape", (0,))[0] == 1:
                lone = tuple(given.shape)
        step = step.tb_next
    second = isinstance(error, RuntimeError) and "second time" in str(error)
    watcher.log.error = (type(error).__name__, str(error).split("\n")[0], place, lone, second)
