"""The version, in its one place: pyproject.toml and `tensorgrad.__version__` read it here."""

__version__ = "0.1.0"
cuda = hip = None       # what PyTorch's build was made for
