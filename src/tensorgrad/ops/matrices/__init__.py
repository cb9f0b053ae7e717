"""Ops of vectors and matrices."""
