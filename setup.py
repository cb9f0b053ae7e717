"""Builds the compiled parts: one static library of C kernels per CPU level, and the Cython modules.

Everything else about the distribution stands in pyproject.toml.
"""

import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from distutils.errors import CompileError, DistutilsExecError, DistutilsPlatformError
from glob import glob
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext

PACKAGE = Path("src/tensorgrad")
KERNELS = PACKAGE / "kernels"
HEADERS = sorted(glob(f"{KERNELS}/*.h"))

MSVC = sys.platform == "win32"
X86 = platform.machine().lower() in ("x86_64", "amd64") and sys.platform == "linux"

# Fast, yet IEEE: no -ffast-math, which would lose NaN and infinity and, at link time, flush denormals for the whole process.
COMMON = ["/O2", "/fp:precise"] if MSVC else ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-g0"]
MODULE = ["/O2"] if MSVC else ["-O2", "-fno-math-errno", "-fvisibility=hidden", "-g0", "-Wno-unreachable-code"]

# The instructions of each level are listed one by one: compilers that do not know the name x86-64-v3 know these.
V2 = ["-msse3", "-mssse3", "-msse4.1", "-msse4.2", "-mpopcnt"]
V3 = V2 + ["-mavx", "-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mlzcnt", "-mf16c"]
V4 = V3 + ["-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
LEVELS = {"v2": V2, "v3": V3, "v4": V4} if X86 else {"baseline": []}

# Built once: it chooses the level, so it must run on the oldest CPU. All the other files are built once per level.
DISPATCH = f"{KERNELS}/dispatch.c"
PER_LEVEL = sorted(set(glob(f"{KERNELS}/*.c")) - {DISPATCH})

# Each module and the files beside it that its source includes.
MODULES = {
    "tensorgrad._kernels": [f"{KERNELS}/*.pxi"],
    "tensorgrad.core._core": [f"{PACKAGE}/core/*.pxi", f"{PACKAGE}/core/*.pxd", f"{PACKAGE}/core/*.h"],
    "tensorgrad.core._random": [],
    "tensorgrad.nn._module": [f"{PACKAGE}/core/*.pxd"],
    "tensorgrad.optim._step": [f"{PACKAGE}/core/*.pxd"],
}

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
}

NO_COMPILER = """
tensorgrad could not be built: {error}

It is compiled from C, and needs a C compiler and Python's headers. Install them and run the command again:
  Debian, Ubuntu   sudo apt install build-essential python3-dev
  Fedora, RHEL     sudo dnf install gcc python3-devel
  macOS            xcode-select --install
  Windows          the Build Tools for Visual Studio, workload "Desktop development with C++"
If a compiler is installed, its own message stands above this paragraph.
"""


def c_libraries():
    """The static libraries: one per CPU level, and the one that chooses among them."""
    macro = [("KERNEL_X86", "1")] if X86 else []
    libraries = [("kernels_dispatch", {"sources": [DISPATCH], "macros": macro, "cflags": COMMON})]
    for level, flags in LEVELS.items():
        build = {"sources": PER_LEVEL, "macros": macro + [("KERNEL_LEVEL", level)], "cflags": COMMON + flags}
        libraries.append((f"kernels_{level}", build))
    return libraries


LIBRARIES = c_libraries()


def extension(name, patterns):
    """One Cython module; it is rebuilt when a file it includes, or the kernels' face, is newer."""
    source = "src/" + name.replace(".", "/") + ".pyx"
    included = [path for pattern in patterns for path in glob(pattern)]
    ours = name == "tensorgrad._kernels"
    return Extension(
        name,
        [source],
        include_dirs=[str(KERNELS), str(PACKAGE / "core"), np.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=MODULE,
        # Only this module holds kernels; the others reach them through its table.
        libraries=[library for library, _ in LIBRARIES] + ([] if MSVC else ["m"]) if ours else [],
        depends=[f"{KERNELS}/kernel.h", f"{PACKAGE}/_kernels.pxd", *included] + (HEADERS + PER_LEVEL + [DISPATCH] if ours else []),
    )


def extensions():
    """Those modules whose source is there, as C."""
    present = {name: parts for name, parts in MODULES.items() if os.path.exists("src/" + name.replace(".", "/") + ".pyx")}
    chosen = os.environ.get("TENSORGRAD_MODULES")
    if chosen:
        present = {name: parts for name, parts in present.items() if name in chosen.split(",")}
    modules = [extension(name, parts) for name, parts in present.items()]
    return cythonize(modules, compiler_directives=DIRECTIVES, include_path=["src"], build_dir="build/cython")


def explain(error):
    """Ends the build in one paragraph that says what to install."""
    sys.exit(NO_COMPILER.format(error=str(error).strip() or type(error).__name__))


def newest(paths):
    return max((os.path.getmtime(path) for path in paths), default=0.0)


class BuildLibraries(build_clib):
    """Compiles the files of all levels side by side, each into a folder of its own, and only those that are out of date."""

    def run(self):
        try:
            super().run()
        except (CompileError, DistutilsExecError, DistutilsPlatformError) as error:
            explain(error)

    def get_library_names(self):
        # The default links every library into every module.
        return []

    def build_libraries(self, libraries):
        os.makedirs(self.build_clib, exist_ok=True)
        headers = newest(HEADERS + ["setup.py"])
        jobs = [(name, build, source) for name, build in libraries for source in build["sources"]]

        def compile_one(job):
            name, build, source = job
            folder = os.path.join(self.build_temp, name)
            target = self.compiler.object_filenames([source], output_dir=folder)[0]
            if os.path.exists(target) and os.path.getmtime(target) > max(headers, os.path.getmtime(source)):
                return target, False
            self.compiler.compile([source], output_dir=folder, macros=build["macros"], include_dirs=[str(KERNELS)], extra_postargs=build["cflags"], debug=self.debug)
            return target, True

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            results = list(pool.map(compile_one, jobs))
        for name, build in libraries:
            mine = [result for job, result in zip(jobs, results) if job[0] == name]
            archive = self.compiler.library_filename(name, output_dir=self.build_clib)
            if any(fresh for _, fresh in mine) or not os.path.exists(archive):
                if os.path.exists(archive):
                    os.remove(archive)
                self.compiler.create_static_lib([target for target, _ in mine], name, output_dir=self.build_clib)


class BuildModules(build_ext):
    """Builds the libraries first, which `build_ext` alone would not, and tells what is missing when there is no compiler."""

    def finalize_options(self):
        super().finalize_options()
        if self.parallel is None:
            self.parallel = os.cpu_count()

    def run(self):
        self.run_command("build_clib")
        self.library_dirs.append(self.get_finalized_command("build_clib").build_clib)
        super().run()

    def build_extensions(self):
        try:
            super().build_extensions()
        except (CompileError, DistutilsExecError, DistutilsPlatformError) as error:
            explain(error)


setup(
    libraries=LIBRARIES,
    ext_modules=extensions(),
    cmdclass={"build_clib": BuildLibraries, "build_ext": BuildModules},
)
