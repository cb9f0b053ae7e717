#!/usr/bin/env python3
"""Random programs against the right answer: PyTorch where it is installed, else the NumPy path.

    python tools/fuzz.py --seconds 60                       both backends, all CPU levels of this machine
    python tools/fuzz.py --only ops --count 2000 --cpu v3   calls of the registry's ops, the same each time
    python tools/fuzz.py --replay finds/FILE.py             an earlier find again

Programs are lines of Python. Each runs in a forked child, so a crash, a hang or a tensor that stays behind is
a find as much as a wrong number. A find is made small, printed, and written into the folder `--finds` as a
script that runs by itself. Programs depend on the seed and their number alone. Ends with 1 if there were any.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import selectors
import subprocess
import sys
import time
from pathlib import Path

LEVELS = ("v2", "v3", "v4")


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--seconds", type=float, default=60.0, help="stop after so long")
    p.add_argument("--count", type=int, default=10**7, help="stop after so many programs")
    p.add_argument("--first", type=int, default=0, help="number of the first program")
    p.add_argument("--jobs", type=int, default=1, help="processes for each CPU level")
    p.add_argument(
        "--only", choices=("ops", "programs"), help="calls of the registry's ops, or programs of many lines"
    )
    p.add_argument("--backend", choices=("kernels", "numpy", "both"), default="both")
    p.add_argument("--cpu", default="", help="CPU levels, as in v2,v3; by default all that this machine has")
    p.add_argument("--finds", type=Path, help="folder to write finds into")
    p.add_argument("--patience", type=float, default=1.0, help="factor on all time limits, for slow builds")
    p.add_argument("--no-limits", action="store_true", help="no limit on memory (a sanitizer needs the room)")
    p.add_argument("--no-torch", action="store_true", help="do as if PyTorch was not installed")
    p.add_argument("--replay", type=Path, help="a find's script, to be judged again")
    p.add_argument("--serve", default="", help=argparse.SUPPRESS)
    return p.parse_args()


def levels(wanted: str) -> list[str]:
    """The CPU levels to run: those asked for, or all that are built in and this machine has."""
    if wanted:
        return wanted.split(",")
    from tensorgrad import _kernels

    have = _kernels.level()
    return list(LEVELS[: LEVELS.index(have) + 1]) if have in LEVELS else [have]


def serve(o: argparse.Namespace) -> None:
    """Runs one share of the programs in this process' children, and prints a line of JSON for each."""
    if o.no_torch:
        sys.modules["torch"] = None  # type: ignore[assignment]
    from fuzzing import calls, children, judging, libraries, programs

    reference = libraries.reference()
    backends = ("kernels", "numpy") if o.backend == "both" and reference.name == "torch" else (o.backend,)
    subjects = [libraries.subject("kernels" if b == "both" else b) for b in backends]
    judge = judging.Judge(reference, subjects)
    names = calls.public(reference.module)

    def make(number: int) -> list[str]:
        if o.replay:
            return judging.lines_of(o.replay.read_text())
        rng = random.Random(f"{o.seed}:{number}")
        if o.only == "ops" or (o.only is None and number % 2):
            return calls.Call(rng, reference.module, names).write()
        return programs.Program(rng, reference).write_all()

    from tensorgrad import _kernels

    start, step = map(int, o.serve.split("/"))
    numbers = range(o.first + start, o.first + (1 if o.replay else o.count), step)
    known: set[str] = set()
    for number, found, lines in children.explore(make, numbers, judge, o.patience, not o.no_limits, known):
        answer = {"number": number, "lines": lines}
        if found is not None:
            answer["signature"] = found.signature
            answer["script"] = found.script(f"seed {o.seed}, program {number}", _kernels.level())
            answer["text"] = "\n".join([*found.lines, found.backend + ": " + found.text])
        print(json.dumps(answer), flush=True)


def main() -> int:
    o = options()
    if o.serve:
        serve(o)
        return 0
    shares = [level for level in levels(o.cpu) for _ in range(o.jobs)][: 1 if o.replay else None]
    servers = []
    for i, level in enumerate(shares):
        command = [sys.executable, __file__, *sys.argv[1:], "--serve", f"{i}/{len(shares)}"]
        environment = {**os.environ, "TENSORGRAD_CPU": level}
        servers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
    programs = lines = 0
    finds: dict[str, dict] = {}
    end = time.monotonic() + o.seconds
    chosen = selectors.DefaultSelector()
    for server in servers:
        os.set_blocking(server.stdout.fileno(), False)
        chosen.register(server.stdout, selectors.EVENT_READ, server)
    buffers = dict.fromkeys(servers, "")
    failed = False
    while chosen.get_map():
        if time.monotonic() > end:
            break
        for key, _ in chosen.select(timeout=1):
            data = key.fileobj.read()
            if not data:
                chosen.unregister(key.fileobj)
                failed |= key.data.wait() != 0
                continue
            *whole, buffers[key.data] = (buffers[key.data] + data).split("\n")
            for answer in map(json.loads, whole):
                programs += 1
                lines += answer["lines"]
                if "signature" in answer and answer["signature"] not in finds:
                    finds[answer["signature"]] = answer
                    show(answer, len(finds), o)
    for server in servers:
        server.terminate()
    print(
        f"{programs} programs, {lines} calls, {len(finds)} finds"
        + (", and a server failed" if failed else "")
    )
    return 1 if finds or failed else 0


def show(answer: dict, number: int, o: argparse.Namespace) -> None:
    print(f"--- find {number}: program {answer['number']} of seed {o.seed}\n{answer['text']}\n", flush=True)
    if o.finds:
        o.finds.mkdir(parents=True, exist_ok=True)
        (o.finds / f"{o.seed}-{answer['number']}.py").write_text(answer["script"])


if __name__ == "__main__":
    sys.exit(main())
