"""What calls and training steps take: the kernels against the NumPy path and, where it is installed, PyTorch.

`python -m tensorgrad bench` runs it (`commands.py`), and so do the scripts in `benchmarks/`, with their own
rows. `racing.py` times a row, each side in a process of its own and all in turns; `calls.py` and
`training.py` have the rows, `reports.py` what is told of them.
"""
