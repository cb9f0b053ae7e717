"""Looking inside: the chain rule in words, the graph as a picture, a module as a table."""

from .drawing import Drawing, draw
from .explaining import explain
from .summarizing import Summary, summary

__all__ = ["Drawing", "Summary", "draw", "explain", "summary"]
