"""Breaks of publishing, filing and recovery."""

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "D2",
        "does not sync a result before it gets its name",
        "bshm_watchd/disk/publish.py",
        '            folder.report_mismatch("result", mismatch)\n        folder.disk.fsync(fd)',
        '            folder.report_mismatch("result", mismatch)',
        "tests/faults/test_power_cut.py::test_a_power_cut_at_any_change_loses_nothing_and_doubles_nothing",
    ),
)
