"""How fast, against what? Measured ratios; `python -m benchmarks` writes the page of results."""
