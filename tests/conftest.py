"""Shared by all tests: each starts from the same state and leaves no setting behind."""

import pytest

import tensorgrad as tg


def pytest_report_header():
    return f"tensorgrad {tg.__version__}, backend {tg.get_backend()}, CPU level {tg._kernels.level()}"


@pytest.fixture(autouse=True)
def same_start():
    """The random state is fixed; dtype, backend, recording and threads are put back after the test."""
    dtype, backend, recording = tg.get_default_dtype(), tg.get_backend(), tg.is_grad_enabled()
    threads = tg.get_num_threads()
    tg.manual_seed(0)
    yield
    tg.set_default_dtype(dtype)
    tg.set_backend(backend)
    tg.set_grad_enabled(recording)
    tg.set_num_threads(threads)


@pytest.fixture(params=["kernels", "numpy"])
def backend(request):
    """For what has to hold with kernels and on the NumPy path alike."""
    with tg.backend(request.param):
        yield request.param
