"""Networks with BSHM's contract: one whole picture in, its alpha of the same size out."""
