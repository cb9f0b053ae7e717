"""`python -m tensorgrad`: demos, a score for a saved network, PyTorch programs, the doctor,
benchmarks, and what is installed.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys

import numpy as np

import tensorgrad as tg

MODEL = "digits.safetensors"
EPILOG = "Exit codes: 0 done, 1 it could not be done (one sentence says why), 2 wrong usage, 130 interrupted."


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def writable_path(text: str) -> str:
    folder = os.path.dirname(text) or "."
    if os.path.isdir(text) or not os.path.basename(text):
        raise argparse.ArgumentTypeError(f"{text!r} is a folder, not a file name")
    if not os.path.isdir(folder):
        raise argparse.ArgumentTypeError(f"the folder {folder!r} does not exist")
    if not os.access(folder, os.W_OK):
        raise argparse.ArgumentTypeError(f"the folder {folder!r} cannot be written to")
    return text


def demo_digits(args: argparse.Namespace) -> None:
    from tensorgrad.demo import digits

    digits.run(args.epochs, args.seed, args.save)


def demo_xor(args: argparse.Namespace) -> None:
    from tensorgrad.demo import xor

    xor.run(args.hidden, args.steps, args.seed)


def score_digits(args: argparse.Namespace) -> None:
    from tensorgrad.demo import digits

    digits.score_file(args.path)


def doctor(args: argparse.Namespace) -> int:
    from tensorgrad.doctor import run_script

    while len(args.arguments) > 1 and args.arguments[0] in ("--json", "--html"):  # ours behind the script too
        option, path, *args.arguments = args.arguments
        setattr(args, option[2:], writable_path(path))
    report = run_script(args.script, args.arguments)
    print(report)
    if args.json is not None:
        report.write_json(args.json)
    if args.html is not None:
        report.write_html(args.html)
    return 0 if report.ok else 3


def bench_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Adds the options that all benchmarks take."""
    add = parser.add_argument
    add("--only", default="", metavar="PATTERN", help="rows with this in group or name; it may have * and ?")
    add("--quick", action="store_true", help="3 short rounds; fails if the kernels lost their lead")
    add("--threads", type=at_least_one, default=1, metavar="N", help="of each library (1)")
    add("--rounds", type=at_least_one, metavar="N", help="of which medians are taken (9)")
    add("--json", type=writable_path, metavar="FILE", help="write the figures into a file")
    add("--html", type=writable_path, metavar="FILE", help="write a page with bars")
    return parser


def bench(args: argparse.Namespace) -> int:
    from tensorgrad.bench import commands

    return commands.command(commands.rows(), args)


def info(args: argparse.Namespace) -> None:
    from tensorgrad import _kernels

    cached = tg.memory_reserved() - tg.memory_allocated()
    rows = {
        "tensorgrad": tg.__version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()}, {sys.platform})",
        "numpy": np.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "kernels": f"compiled, CPU level {_kernels.level()}",
        "backend": tg.get_backend(),
        "threads": tg.get_num_threads(),
        "memory": f"{tg.memory_allocated():,} bytes in tensors, {cached:,} cached for new ones",
    }
    for name, value in rows.items():
        print(f"{name:<11} {value}")


def run_program(args: argparse.Namespace) -> None:
    from tensorgrad import porting

    if args.module:
        porting.run_module(args.program, args.arguments)
    else:
        porting.run_script(args.program, args.arguments)


def sentence(text: str) -> str:
    """With a capital letter in front, the others as they are, and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def parser() -> argparse.ArgumentParser:
    about = (
        "tensorgrad, a small PyTorch for the CPU: demos, PyTorch programs, the doctor, benchmarks, what is "
        "installed here."
    )
    top = argparse.ArgumentParser("python -m tensorgrad", description=about, epilog=EPILOG)
    top.add_argument("--version", action="version", version=f"tensorgrad {tg.__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    defaults = argparse.ArgumentDefaultsHelpFormatter

    demo = commands.add_parser("demo", help="train a small network and show what it does")
    demos = demo.add_subparsers(title="demos", required=True, metavar="DEMO")

    text = "read real handwritten digits (8x8 pixels, part of the package)"
    digits = demos.add_parser("digits", help=text, description=f"Trains a network to {text}.", epilog=EPILOG)
    digits.formatter_class = defaults
    digits.add_argument("--epochs", type=at_least_one, default=40, help="times through the training images")
    digits.add_argument("--seed", type=int, default=0, help="where the random numbers start")
    digits.add_argument("--save", type=writable_path, default=MODEL, metavar="PATH", help="model file")
    digits.set_defaults(run=demo_digits)

    text = "learn XOR and print each prediction"
    xor = demos.add_parser("xor", help=text, description=f"Trains a network to {text}.", epilog=EPILOG)
    xor.formatter_class = defaults
    xor.add_argument("--hidden", type=at_least_one, default=8, help="hidden units")
    xor.add_argument("--steps", type=at_least_one, default=2000, help="training steps")
    xor.add_argument("--seed", type=int, default=0, help="where the random numbers start")
    xor.set_defaults(run=demo_xor)

    score = commands.add_parser("score", help="load a network that a demo saved and test it again")
    scores = score.add_subparsers(title="demos", required=True, metavar="DEMO")
    text = "test a saved network on the 359 held out digits"
    score = scores.add_parser("digits", help=text, description=f"Load and {text}.", epilog=EPILOG)
    score.add_argument("path", metavar="PATH", help="file that demo digits wrote")
    score.set_defaults(run=score_digits)

    text = "run a PyTorch program that nobody changed: its torch is tensorgrad"
    program = commands.add_parser("run", help=text, description=sentence(text), epilog=EPILOG)
    program.add_argument("-m", dest="module", action="store_true", help="PROGRAM is the name of a module")
    program.add_argument("program", metavar="PROGRAM", help="a script, or with -m a module")
    program.add_argument("arguments", metavar="...", nargs=argparse.REMAINDER, help="for the program")
    program.set_defaults(run=run_program)

    text = "run a training script and say why it does not learn"
    told = "Exit codes: 0 no error among the findings, 3 there is one, 1 and 2 as elsewhere."
    watched = commands.add_parser("doctor", help=text, description=sentence(text), epilog=told)
    watched.add_argument("--json", type=writable_path, metavar="FILE", help="write the findings into a file")
    watched.add_argument("--html", type=writable_path, metavar="FILE", help="write a page to look at")
    watched.add_argument("script", metavar="SCRIPT", help="the script, run unchanged")
    watched.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="its own arguments")
    watched.set_defaults(run=doctor)

    text = "time calls and training steps: kernels, NumPy path and, where it is installed, PyTorch"
    told = "Exit codes: 0 done, 1 a row failed or the kernels lost their lead, 2 wrong usage."
    timing = commands.add_parser("bench", help=text, description=sentence(text), epilog=told)
    bench_options(timing).set_defaults(run=bench)

    text = "print versions, CPU level, threads and backend"
    facts = commands.add_parser("info", help=text, description=sentence(text), epilog=EPILOG)
    facts.set_defaults(run=info)
    return top


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if args.run is run_program and (args.module or os.path.exists(args.program)):
        args.run(args)  # what goes wrong in there is told as Python tells it
        return 0
    try:
        code = args.run(args)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, RuntimeError, ValueError) as error:
        sentence = " ".join(str(error).split())
        if isinstance(error, OSError) and error.filename:
            sentence = f"{error.filename}: {error.strerror}"
        print(f"tensorgrad: {sentence}", file=sys.stderr)
        return 1
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
