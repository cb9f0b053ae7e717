"""Sparse matrices, as graph networks use them."""
