"""Which device computes the mattes: what is found of a GPU, what follows from it, and whose it is."""
