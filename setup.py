"""Builds the compiled parts: one static library of C kernels per CPU level, and the Cython modules.

Everything else about the distribution stands in pyproject.toml. With TENSORGRAD_MODULES=name,name in the
environment those modules alone are built; TENSORGRAD_FLAGS is given to the compiler last, to compile and
to link (tools/sanitize builds so).
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from glob import glob

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, ExecError, PlatformError

# setuptools' own copy, for it has no public name for these two.
from distutils.ccompiler import new_compiler  # isort: skip
from distutils.sysconfig import customize_compiler  # isort: skip

PACKAGE = "src/tensorgrad"
KERNELS = f"{PACKAGE}/kernels"
HEADERS = sorted(glob(f"{KERNELS}/*.h"))

WINDOWS = sys.platform == "win32"
LINUX = sys.platform == "linux"
X86_LEVELS = LINUX and platform.machine() in ("x86_64", "AMD64")


def accepts(flag):
    """Whether the C compiler knows a flag."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    try:
        run = subprocess.run([*compiler, flag, "-xc", "-fsyntax-only", "-"], input=b"", capture_output=True)
    except OSError:
        return False
    return run.returncode == 0


# Fast, yet IEEE: -ffast-math would lose NaN and infinity, and flush denormals in the whole process.
if WINDOWS:
    FOR_KERNELS = ["/O2", "/fp:precise"]
    FOR_MODULES = ["/O2"]
else:
    FOR_KERNELS = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
    FOR_MODULES = ["-O2", "-g0", "-fno-math-errno", "-fvisibility=hidden", "-fno-asynchronous-unwind-tables"]
    # No exception of C++'s passes through here; loops that call libm are meant.
    FOR_KERNELS += ["-fno-asynchronous-unwind-tables", "-Wno-pass-failed"]
    # What is left behind a loop of vectors is taken one by one, not by a second loop of narrower ones.
    if accepts("--param=vect-epilogues-nomask=0"):
        FOR_KERNELS.append("--param=vect-epilogues-nomask=0")
    # Of what is marked as unlikely, errors in what Cython wrote, GCC takes one in ten to happen unless told.
    NEVER = "--param=builtin-expect-probability=100"
    # GCC zeroes a few cache lines by a string instruction, which takes 10 ns to start: several times a call.
    STORED = "-mmemset-strategy=vector_loop:1024:noalign,libcall:-1:noalign"
    FOR_MODULES += [flag for flag in (NEVER, STORED) if accepts(flag)]
# CPUs put instructions of such code into the order that suits them; the compiler's is longer to write.
UNORDERED = ["-fno-schedule-insns2"] if not WINDOWS and accepts("-fno-schedule-insns2") else []
FOR_MODULES += UNORDERED
# Kernels that are as fast so.
ANY_ORDER = ("channels.c", "conv_f64.c", "map_other.c", "pooling.c", "rows_f64.c", "scan.c")
# Files with a loop for each of many types, at the same speed where memory sets it: half the code.
# Recurrent layers are quicker so, by 5 to 9 %.
FOR_SIZE = [] if WINDOWS else ["-O2", "-ftree-vectorize"]
COMPACT = (
    "attention.c", "attention_f64.c", "copies.c", "distances.c", "euclidean.c", "indices.c", "map.c",
    "map_other.c", "moving.c", "recurrent.c", "recurrent_f64.c", "reduce_other.c", "sorting.c", "step.c",
    "systems.c", "systems_f64.c",
)  # fmt: skip
# A copy of every loop for each of its questions doubles a file that asks many, and makes it no faster.
ONE_COPY = [] if WINDOWS or not accepts("-fno-unswitch-loops") else ["-fno-unswitch-loops"]
ASKING = ("channels.c", "lines.c")
# Loops over lanes, which these files have many of, stay loops: written out they are up to twice the code, and
# no faster. For rows of float32 that holds for AVX-512.
LANES = [flag for flag in ("--param=max-completely-peel-times=4",) if not WINDOWS and accepts(flag)]
IN_LANES = {"kernels_v3": ("losses.c", "rows_f64.c"), "kernels_v4": ("rows.c",)}

FLAGS = os.environ.get("TENSORGRAD_FLAGS", "").split()

# Each level's instructions, one by one: compilers that do not know the name x86-64-v3 know these.
V2 = ["-msse3", "-mssse3", "-msse4.1", "-msse4.2", "-mpopcnt"]
V3 = [*V2, "-mavx", "-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mlzcnt", "-mf16c"]
V4 = [*V3, "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
LEVELS = {"v2": V2, "v3": V3, "v4": V4} if X86_LEVELS else {"baseline": []}
# v2 is for CPUs of before 2013 and for emulators: compiled for size, with vectors where most of a network's
# time goes, which is float32, and where a loop's length is known to be a multiple of theirs. Short sums take
# twice as long.
KNOWN_LENGTHS = ["-fvect-cost-model=very-cheap"] if accepts("-fvect-cost-model=very-cheap") else []
VECTORS_OF_V2 = ("map.c", "reduce.c", "rows.c")

# Built once, for any CPU: the choice of the level, the launch, the threads. All other files are per level.
ONCE = [f"{KERNELS}/{name}.c" for name in ("dispatch", "launch", "pool")]
PER_LEVEL = sorted(set(glob(f"{KERNELS}/*.c")) - set(ONCE))
# Files whose loops wait for memory more than for arithmetic, and float64 but for its products: v4 has v3's
# (entries.h).
NARROW = (
    "attention_f64", "channels", "conv_f64", "copies", "distances", "indices", "lines", "losses", "map_other",
    "moving", "point_losses", "pooling", "recurrent_f64", "reduce", "reduce_other", "resampling", "rows_f64",
    "scan", "sorting", "sparse", "step", "systems_f64",
)  # fmt: skip
UP_TO_V3 = [f"{KERNELS}/{name}.c" for name in NARROW]

# The modules, and what their sources include or cimport beside the kernels' face.
CORE_FACE = [f"{KERNELS}/glibc.h", f"{PACKAGE}/core/*.pxd", f"{PACKAGE}/core/*.h", f"{PACKAGE}/core/*/*.h"]
MODULES = {
    "tensorgrad._kernels": [f"{KERNELS}/*.pxi", f"{KERNELS}/*.h", f"{KERNELS}/*.c"],
    "tensorgrad.core._core": [f"{PACKAGE}/core/*/*.pxi", *CORE_FACE],
    "tensorgrad.core._random": [f"{PACKAGE}/core/random/*.pxi", *CORE_FACE],
    "tensorgrad.nn._module": CORE_FACE,
    "tensorgrad.optim._step": CORE_FACE,
}
# Wide, not hot: compiled for size. The loops of random numbers ask for speed themselves (loops.h).
WIDE = ("tensorgrad._kernels", "tensorgrad.core._random")

NO_COMPILER = """
tensorgrad could not be built: {error}
It is compiled from C, and needs a C compiler and Python's headers. Install them, then run the command again:
  Debian, Ubuntu   sudo apt install build-essential python3-dev
  Fedora, RHEL     sudo dnf install gcc python3-devel
  macOS            xcode-select --install
  Windows          the Build Tools for Visual Studio, workload "Desktop development with C++"
If there is a compiler, what it said stands above this paragraph.
"""
FAILURES = (CompileError, ExecError, PlatformError)


def explain(error):
    """Ends the build in one paragraph that says what to install."""
    reason = textwrap.shorten(str(error), 240) or type(error).__name__
    sys.exit(NO_COMPILER.format(error=reason))


def c_libraries():
    """One static library per CPU level, and the one that all levels share."""
    macros = [("KERNEL_X86", "1")] if X86_LEVELS else []
    found = {"kernels_once": {"sources": ONCE, "macros": macros, "cflags": FOR_KERNELS}}
    for level, flags in LEVELS.items():
        found[f"kernels_{level}"] = {
            "sources": [source for source in PER_LEVEL if level != "v4" or source not in UP_TO_V3],
            "macros": [*macros, ("KERNEL_LEVEL", level)],
            "cflags": FOR_KERNELS + flags,
        }
    return found


LIBRARIES = c_libraries()


def flags_of(library, file):
    """How much code a file of kernels may become."""
    if library == "kernels_v2":
        return UNORDERED + (FOR_SIZE + KNOWN_LENGTHS if file in VECTORS_OF_V2 else ["-Os"])
    if file in IN_LANES.get(library, ()):
        loops = LANES
    else:
        loops = FOR_SIZE if file in COMPACT else ONE_COPY if file in ASKING else []
    return loops + UNORDERED if file in ANY_ORDER else loops


def source_of(module):
    return f"src/{module.replace('.', '/')}.pyx"


def extension(module, parts):
    """One Cython module. Only `_kernels` holds kernels: the others reach them through its table."""
    holds_kernels = module == "tensorgrad._kernels"
    libraries = [] if WINDOWS else ["m"]
    if holds_kernels:
        libraries = [*LIBRARIES, *libraries, *([] if WINDOWS else ["pthread"])]
    return Extension(
        module,
        [source_of(module)],
        include_dirs=[KERNELS, f"{PACKAGE}/core", np.get_include()],
        # Cython's strings are not compressed, as the wheel will be.
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"), ("CYTHON_COMPRESS_STRINGS", "0")],
        extra_compile_args=FOR_MODULES + (["-Os"] if module in WIDE and not WINDOWS else []) + FLAGS,
        extra_link_args=FLAGS or (["-s"] if LINUX else []),
        libraries=libraries,
        depends=[f"{KERNELS}/kernel.h", f"{PACKAGE}/_kernels.pxd"]
        + [path for part in parts for path in glob(part)],
    )


def extensions():
    """The modules to build: those asked for whose source is there."""
    chosen = os.environ.get("TENSORGRAD_MODULES", ",".join(MODULES)).split(",")
    return [
        extension(m, parts) for m, parts in MODULES.items() if m in chosen and os.path.exists(source_of(m))
    ]


@cache
def try_compiler():
    """Compiles a line that includes Python's header, so that a machine that can't build says so at once."""
    compiler = new_compiler()
    customize_compiler(compiler)
    name = getattr(compiler, "compiler", ["cl"])[0]
    include = [sysconfig.get_path("include")]
    highest = list(LEVELS.values())[-1]
    with tempfile.TemporaryDirectory() as folder:
        trial = os.path.join(folder, "trial.c")
        with open(trial, "w") as file:
            file.write("#include <Python.h>\n")
        try:
            compiler.compile([trial], output_dir=folder, include_dirs=include)
        except FAILURES:
            fault = "does not compile a line that includes Python.h" if shutil.which(name) else "is not there"
            explain(f"the C compiler, {name}, {fault}.")
        try:
            compiler.compile([trial], output_dir=folder, include_dirs=include, extra_postargs=highest)
        except FAILURES:
            fault = "does not know AVX-512, as GCC 8 and Clang 9 do: name a newer one, as in CC=gcc-12"
            explain(f"the C compiler, {name}, {fault}.")


class Build(build):
    """Tries the compiler before anything is copied or translated."""

    def run(self):
        try_compiler()
        super().run()


class BuildLibraries(build_clib):
    """Compiles all levels side by side, each into a folder of its own, and only what is out of date."""

    def run(self):
        try:
            super().run()
        except FAILURES as error:
            explain(error)

    def get_library_names(self):
        # By default every library is linked into every module.
        return []

    def build_libraries(self, libraries):
        os.makedirs(self.build_clib, exist_ok=True)
        jobs = [(name, source) for name, build in libraries for source in build["sources"]]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            built = list(pool.map(self.compile_one, jobs))
        for name, _ in libraries:
            mine = [result for (owner, _), result in zip(jobs, built, strict=True) if owner == name]
            archive = self.compiler.library_filename(name, output_dir=self.build_clib)
            if any(fresh for _, fresh in mine) or not os.path.exists(archive):
                if os.path.exists(archive):
                    os.remove(archive)
                objects = [path for path, _ in mine]
                self.compiler.create_static_lib(objects, name, output_dir=self.build_clib)

    def compile_one(self, job):
        """Gives the object file, and whether it was compiled just now."""
        name, source = job
        build = LIBRARIES[name]
        folder = os.path.join(self.build_temp, name)
        target = self.compiler.object_filenames([source], output_dir=folder)[0]
        newest = max(os.path.getmtime(path) for path in [source, __file__, *HEADERS])
        if os.path.exists(target) and os.path.getmtime(target) > newest:
            return target, False
        self.compiler.compile(
            [source],
            output_dir=folder,
            macros=build["macros"],
            include_dirs=[KERNELS],
            extra_postargs=build["cflags"] + flags_of(name, os.path.basename(source)) + FLAGS,
        )
        return target, True


class BuildModules(build_ext):
    """Translates the modules to C, and builds the libraries first, which `build_ext` alone would not."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self):
        try_compiler()
        translated = cythonize(self.extensions, include_path=["src"], build_dir="build/cython")
        sources = {module.name: module.sources for module in translated}
        for module in self.extensions:
            module.sources = sources[module.name]
        self.run_command("build_clib")
        self.library_dirs.append(self.get_finalized_command("build_clib").build_clib)
        super().run()

    def build_extensions(self):
        try:
            super().build_extensions()
        except FAILURES as error:
            explain(error)


setup(
    libraries=list(LIBRARIES.items()),
    ext_modules=extensions(),
    cmdclass={"build": Build, "build_clib": BuildLibraries, "build_ext": BuildModules},
)
