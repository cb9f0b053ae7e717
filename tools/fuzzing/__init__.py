"""The parts of `tools/fuzz.py`: making programs, running them, comparing, shrinking."""
