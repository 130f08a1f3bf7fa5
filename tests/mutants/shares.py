"""Breaks of what the code does because of network shares. The virtual machine's tests prove the same on real ones."""

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "I1",
        "takes a polled folder for one that is told of every change",
        "bshm_watchd/intake/watcher.py",
        "    gives_hints = False",
        "    gives_hints = True",
        "tests/test_folder_calls.py::test_a_polled_folder_says_that_no_event_reaches_it_and_is_scanned_as_often_as_a_share",
    ),
    Mutant(
        "I2",
        "takes an upload that is still open for an error of the place",
        "bshm_watchd/disk/claim.py",
        "_STILL_WRITTEN = (errno.EBUSY, errno.ETXTBSY)",
        "_STILL_WRITTEN = (errno.ETXTBSY,)",
        "tests/test_claim.py::test_a_photo_that_an_uploader_still_has_open_stays_in_drop",
    ),
    Mutant(
        "I3",
        "takes another machine's owner for dead",
        "bshm_watchd/disk/owner.py",
        "        if self.machine_id != asked_by.machine_id:\n            return False\n",
        "",
        "tests/test_owner.py::test_an_owner_that_may_be_alive_is_named_and_left_alone",
    ),
    Mutant(
        "P4",
        "says of a share that ignores modes that all is well under strict",
        "bshm_watchd/disk/folder.py",
        "        if strictly and self.settings.permissions.strict:\n            raise PermissionsIgnored(message)\n",
        "",
        "tests/test_folder.py::test_a_share_that_ignores_modes_is_said_once_or_fails_under_strict",
    ),
    Mutant(
        "P9",
        "replaces what has the name where a rename can't refuse to",
        "bshm_watchd/disk/durable.py",
        "        disk.link(dir_fd, temporary, dir_fd, name)\n",
        "        return disk.replace(dir_fd, temporary, dir_fd, name)\n",
        "tests/test_durable.py::test_a_taken_name_is_never_replaced",
    ),
    Mutant(
        "D5",
        "holds it against the photo when a server says of a rename it has done that it failed",
        "bshm_watchd/disk/durable.py",
        "        if disk.lstat(dir_fd, name).st_ino != inode:\n            raise\n",
        "        raise\n",
        "tests/faults/test_lost_answers.py::test_a_change_that_happened_and_was_told_as_an_error_costs_nothing",
    ),
    Mutant(
        "D5",
        "holds it against the photo when its share can't be read",
        "bshm_watchd/disk/original.py",
        "        if error.errno not in _CONNECTION_LOST:\n            raise\n",
        "        raise\n",
        "tests/faults/test_lost_answers.py::test_a_claimed_photo_that_its_server_does_not_give_waits_and_loses_no_attempt",
    ),
    Mutant(
        "D6",
        "does not try again where a server says of our own new file that it exists",
        "bshm_watchd/disk/durable.py",
        "        disk.unlink(dir_fd, name)\n        return disk.create(dir_fd, name, mode)\n",
        "        raise\n",
        "tests/faults/test_lost_answers.py::test_a_change_that_happened_and_was_told_as_an_error_costs_nothing",
    ),
)
