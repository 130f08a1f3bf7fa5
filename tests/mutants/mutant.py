"""One deliberate break of the program, and the test that must see it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    contract: str
    what: str  # the break, as a sentence's beginning: "publishes before the record says so"
    path: str  # of the file that is broken, from the project's root
    old: str  # stands there exactly once
    new: str
    test: str  # node id of the test that sees it
