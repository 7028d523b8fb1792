"""The method: drifting fields, losses and one-step generators in PyTorch."""
