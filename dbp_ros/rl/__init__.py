"""Online reinforcement learning of a one-step policy: DBPO (arXiv 2604.03540) and DFP."""
