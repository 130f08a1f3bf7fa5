"""Breaks of rejecting photos together."""

from tests.mutants.mutant import Mutant

_FILE = "bshm_watchd/disk/lot.py"
_FAULTS = "tests/faults/test_lots.py"
_KILLED = "tests/faults/test_lots_killed.py"

MUTANTS = (
    Mutant(
        "L1",
        "gives rejected photos their names before their sidecars are durable",
        _FILE,
        "        disk.fsync(dir_fd)\n        for job in jobs:\n",
        "        for job in jobs:\n",
        f"{_KILLED}::test_all_sidecars_of_a_lot_are_durable_before_the_first_of_its_photos_has_its_name",
    ),
    Mutant(
        "P9",
        "rejects a photo over one that got its name meanwhile",
        _FILE,
        "            move_original(disk, lot_fd, job.name, dir_fd, _filed_name(job))",
        "            disk.replace(lot_fd, job.name, dir_fd, _filed_name(job))",
        f"{_FAULTS}::test_a_name_that_is_taken_in_the_last_moment_is_left_and_the_next_one_used",
    ),
    Mutant(
        "D6",
        "forgets photos of a lot that were filed when the place failed",
        _FILE,
        "    return job.moved(State.REJECTING) if job.state is State.CLAIMED else None",
        "    return None",
        f"{_FAULTS}::test_an_error_of_the_place_at_any_change_of_a_lot_loses_nothing",
    ),
    Mutant(
        "D1",
        "moves photos into work directories whose names a power cut takes back",
        _FILE,
        "        disk.fsync(all_work_fd)  # else",
        "        # else",
        f"{_KILLED}::test_a_power_cut_while_a_lot_is_put_in_order_loses_nothing",
    ),
    Mutant(
        "D7",
        "leaves photos of a lot whose record is lost where nobody looks",
        _FILE,
        "    moves |= {name: (new_id(wall), name_in_work(name)) for name in sorted(there - moves.keys())}",
        "    there = {name for name in there if name in moves}",
        f"{_FAULTS}::test_a_lot_whose_record_is_lost_loses_no_photo",
    ),
    Mutant(
        "I2",
        "rejects what a photo of a lot has become meanwhile for what it was",
        _FILE,
        "        looked = [looked_at(folder, job, lot_fd, job.name) for job, end in taken if end is None]",
        "        looked = [job.moved(State.CLAIMED) for job, end in taken if end is None]",
        f"{_FAULTS}::test_a_photo_that_is_whole_in_the_last_moment_is_not_rejected_for_what_it_was",
    ),
    Mutant(
        "I3",
        "rejects photos together without owning the folder",
        "bshm_watchd/folder_calls.py",
        "        with owner.held(self._folder, self._us):\n            rejected = ",
        "        if True:\n            rejected = ",
        "tests/test_folder_calls.py::test_a_daemon_that_lost_its_folder_rejects_nothing_more",
    ),
)
