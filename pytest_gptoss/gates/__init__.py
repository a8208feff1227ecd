"""A run and a baseline in, a verdict out: baselines, comparability, gates, flips and plans."""
