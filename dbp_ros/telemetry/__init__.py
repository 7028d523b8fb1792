"""Recorded data of the stack: latency histograms, traces, policy steps."""
