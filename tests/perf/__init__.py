"""Benchmarks: medians of CPU time, as ratios to a bare baseline, and to a peer, in the same run."""
