"""Graphs with the contract of BSHM's: a network of its structure, and arithmetic whose alpha is known."""

INPUT, OUTPUT = "input_image", "output_png"
WEIGHTS = (0.471, 0.293, 0.176)  # of red, green, blue in the arithmetic graph's alpha; its halves are rare
