"""Graphs with the contract of BSHM's: a network of its structure, and arithmetic whose alpha is known."""
