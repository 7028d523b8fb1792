"""Reinforcement learning environments: single and vectorized, local and remote."""
