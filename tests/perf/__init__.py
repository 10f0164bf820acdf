"""Benchmarks: medians of CPU time, as ratios to a bare baseline in the same run."""
