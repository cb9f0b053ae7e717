"""New tensors, other dtypes, random numbers."""
