"""Figures of a network with BSHM's contract: speed, first photo, sizes, padding, memory, and a process a photo."""
