"""Ops that pick elements and put them by number."""
