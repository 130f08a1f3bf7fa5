"""bshm-watchd: hot folders in, cut-outs out, every original filed."""

__version__ = "0.1.0"
