"""Ops of every element by itself."""
