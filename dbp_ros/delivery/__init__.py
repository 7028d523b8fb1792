"""Bring a bundle from one machine to another: announced, asked for, put together."""
