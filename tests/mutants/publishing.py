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
    Mutant(
        "D2",
        "clears away after an error of the place before the record says so",
        "bshm_watchd/pipeline.py",
        "                course.move(State.CLAIMED)\n                self._discard(course)\n",
        "                self._discard(course)\n                course.move(State.CLAIMED)\n",
        "tests/faults/test_two_faults.py::test_dying_shortly_after_an_error_of_the_place_loses_and_doubles_nothing",
    ),
    Mutant(
        "P9",
        "learns that a name is refused only when its result is to get it",
        "bshm_watchd/disk/publish.py",
        '    odd = "".join(sorted(set(_ODD.findall(job.name)))[:_MOST_ODD])\n',
        '    odd = ""\n',
        "tests/test_any_name.py::test_a_name_that_the_place_of_the_results_refuses_is_that_photos_alone",
    ),
    Mutant(
        "D2",
        "believes that the names of directories it finds are on the disk",
        "bshm_watchd/disk/folder.py",
        "            if known not in self._durable:",
        "            if False:",
        "tests/test_folder.py::test_a_directory_that_an_earlier_life_made_and_never_synced_outlives_a_power_cut",
    ),
)
