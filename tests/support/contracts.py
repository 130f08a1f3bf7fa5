"""The contracts by name, and how tests say which of them they prove and by how much.

A test names its contracts with `@pytest.mark.contract("P1", "D2")`. What it went through it hands to the fixture
`evidence`: `evidence(points_killed=212, files_checked=6)`. `--contracts` prints one line a contract at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

CONTRACTS: dict[str, str] = {
    "I1": "every photo that stops changing is processed or reported, whatever became of the events",
    "I2": "no byte is used of a photo that changed after it was read",
    "I3": "one daemon works a hot folder; the other one says who does",
    "I4": "a photo that its owner takes back before the claim is left alone",
    "I5": "a photo waits for no longer than it takes to settle, one scan and one batch",
    "I6": "what is no photo, and what other programs are still busy with, is never touched",
    "I7": "a folder that is gone, unmounted or another one is unreachable, never empty",
    "I8": "a wrong new configuration replaces nothing; a job keeps the plan it was claimed with",
    "P1": "a result's name never shows incomplete bytes",
    "P2": "nothing that was not published here is overwritten, cut short, given other rights or removed",
    "P3": "from its first visible moment a result has its final owner, group, mode and ACL, and was never wider",
    "P4": "a configured mode is applied exactly; else ACL, else the folder's bits; what did not take is said",
    "P5": "no root and no capability is needed; a missing right holds the folder, says which, loses nothing",
    "P6": "no symlink is followed below a root, also under a race",
    "P7": "nothing outside the configured roots and the state directory is touched",
    "P8": "originals keep inode, owner, mode, times and extended attributes",
    "P9": "no name ever overwrites another; any name comes through, or fails with a reason",
    "P10": "pipes, devices, sockets and files with a foreign hard link are refused",
    "D1": "an original is always in at least one place, after recovery in exactly one",
    "D2": "results are durable before the original leaves the work directory",
    "D3": "one claim makes one set of results; the same name or bytes again make another, numbered",
    "D4": "a restart at any instant converges; a second recovery changes nothing",
    "D5": "only an error of its own, or a death while it ran alone, costs a photo an attempt",
    "D6": "an error of the place holds the folder, which resumes unaided",
    "D7": "losing the journal loses no photo and makes no second set",
    "D8": "filed originals keep their bytes",
    "G3": "out of memory halves the batch, remembers the size that fits, and fails no photo that fits alone",
    "L1": "poison leaves after its attempts, its sidecar before it",
    "L2": "a photo never harms its neighbours",
    "L3": "memory is bounded; a photo that exceeds the budget is rejected as too large",
    "L4": "free space is kept in reserve for the results and for the state",
    "L5": "nothing spins",
    "L6": "folders are served by weight; a slow, full or hung one slows no other",
    "O1": "ready comes after recovery, warm-up and one look into every folder",
    "O2": "the heartbeat comes from the loop itself and depends on no share",
    "O3": "SIGTERM drains within its deadline, blocked threads or not",
    "O4": "a reload is all or nothing",
    "O5": "every move of a job is one log line with its id",
    "O6": "status tells idle, busy, held, unreachable and degraded apart",
    "O7": "exit codes say what happened",
    "G1": "the device never changes silently: a GPU that is wanted and missing is no start, a fall to the CPU is told",
    "G2": "a GPU has one resident model; a second one is refused and told whose it is, and never falls to the CPU",
    "S1": "pictures are decoded where they can reach nothing: a crash, hang or bomb costs that photo one attempt",
    "S2": "a configuration is read safely: no object is made, no key stands twice or unknown",
    "S3": "nobody reaches the daemon but through its socket, and a hostile client costs it nothing",
    "S4": "file names are escaped wherever they are shown",
}


@dataclass(slots=True)
class Proof:
    """What the tests that name one contract went through."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def line(self, name: str) -> str:
        counts = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in sorted(self.counts.items()))
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        tests = f"{self.passed + self.failed} tests{skipped}"
        return f"{name:4} {CONTRACTS[name]}: {tests}{'; ' + counts if counts else ''}; violations {self.failed}"


class Proofs:
    """Of one run of the tests. A test that names a contract that does not exist is an error."""

    def __init__(self) -> None:
        self._proofs: dict[str, Proof] = {}

    def add(self, name: str, outcome: str, counts: Mapping[str, int]) -> None:
        proof = self._proofs.setdefault(name, Proof())
        setattr(proof, outcome, getattr(proof, outcome) + 1)
        proof.counts.update(counts)

    def lines(self) -> Iterator[str]:
        for name in CONTRACTS:
            if name in self._proofs:
                yield self._proofs[name].line(name)


Evidence = Callable[..., None]
