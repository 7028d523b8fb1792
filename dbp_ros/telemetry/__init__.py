"""What the stack records about itself: histograms, traces, policy steps."""
