"""How good the mattes are, in numbers and on contact sheets: `python -m tests.quality PACK_DIR`.

A developer's tool. The photos and their mattes come from outside and are never part of the project.
"""
