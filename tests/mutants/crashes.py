"""Breaks of claiming, recovery, blame and filing: what a kill, a power cut or a lost record would show."""

from tests.mutants.mutant import Mutant

_DYING = "tests/faults/test_crashes.py::test_dying_at_any_change_loses_nothing_and_doubles_nothing"

MUTANTS = (
    Mutant(
        "D1",
        "renames the photo before its record is on the disk",
        "bshm_watchd/disk/claim.py",
        "            record.write(disk, work_fd, job)\n            disk.fsync(all_work_fd)\n",
        "            disk.fsync(all_work_fd)\n",
        _DYING,
    ),
    Mutant(
        "D1",
        "files an original over another one",
        "bshm_watchd/disk/filing.py",
        "            move_original(disk, work_fd, original_name(job), dir_fd, place.name)",
        "            disk.replace(work_fd, original_name(job), dir_fd, place.name)",
        "tests/test_filing.py::test_an_original_is_never_filed_over_another",
    ),
    Mutant(
        "D2",
        "does not sync the directory in which a result got its name",
        "bshm_watchd/disk/publish.py",
        "no check before a rename closes every gap\n        disk.fsync(dir_fd)\n",
        "no check before a rename closes every gap\n",
        "tests/faults/test_power_cut.py::test_a_power_cut_at_any_change_loses_nothing_and_doubles_nothing",
    ),
    Mutant(
        "D3",
        "gives results their names before the record says so (seen by kills of the real program)",
        "bshm_watchd/pipeline.py",
        "        return course.move(\n            State.PUBLISHING,",
        "        for result in results:\n            publish.publish(course.folder, result)\n"
        "        return course.move(\n            State.PUBLISHING,",
        "tests/faults/test_killing.py::test_sigkill_ahead_of_each_commit_and_each_result_on_the_disk_that_is_there",
    ),
    Mutant(
        "D4",
        "leaves a job under way for ever whose original has left its work directory",
        "bshm_watchd/recovery.py",
        "    _close_rows(folder, journal, clock, {job.id for job in jobs})\n",
        "    _close_rows(folder, journal, clock, set(found))\n",
        "tests/faults/test_lost_records.py::test_a_record_lost_at_any_moment_loses_no_photo_and_makes_no_second_set",
    ),
    Mutant(
        "D4",
        "lets two workers make one directory at the same time",
        "bshm_watchd/disk/folder.py",
        "            if not self.disk.exists(parent_fd, name):  # another worker may have made it meanwhile\n    ",
        "",
        "tests/test_folder.py::test_a_directory_is_made_by_one_worker_alone",
    ),
    Mutant(
        "D5",
        "counts an attempt of everybody who was in work when the process died",
        "bshm_watchd/recovery.py",
        "        return job.moved(State.CLAIMED, suspect=True)",
        "        return job.moved(State.CLAIMED, suspect=True, attempts=job.attempts + 1)",
        "tests/faults/test_suspects.py::test_in_company_only_the_photo_that_ends_the_process_fails",
    ),
    Mutant(
        "D5",
        "counts an error of the disk as the photo's own",
        "bshm_watchd/pipeline.py",
        "            if _is_of_the_place(error):\n                raise\n",
        "",
        "tests/faults/test_crashes.py::test_an_error_of_the_place_at_any_change_costs_nothing",
    ),
    Mutant(
        "D4",
        "removes what a failed attempt made before its record says so",
        "bshm_watchd/pipeline.py",
        "        course.move(State.CLAIMED, attempts=attempts, retry_wall=retry_wall, suspect=False)\n"
        "        self._discard(course)\n",
        "        self._discard(course)\n"
        "        course.move(State.CLAIMED, attempts=attempts, retry_wall=retry_wall, suspect=False)\n",
        "tests/faults/test_two_faults.py::"
        "test_dying_after_a_record_that_was_written_and_told_as_failed_makes_no_result_count_as_published",
    ),
    Mutant(
        "D5",
        "remembers the last clean stop alone",
        "bshm_watchd/journal.py",
        "WHERE value NOT IN ({unfinished})",
        "WHERE value NOT IN ('')",
        "tests/faults/test_suspects.py::test_a_clean_stop_is_remembered_until_its_photo_is_seen_again",
    ),
    Mutant(
        "D5",
        "forgets with the next life whom it has judged",
        "bshm_watchd/daemon.py",
        "self.past.note_judged(folder.found)",
        "pass",
        "tests/faults/test_several_folders.py::test_company_that_ended_the_next_life_too_costs_nothing_when_its_folder_is_back",
    ),
    Mutant(
        "D6",
        "goes on as if nothing were in the work directory after the disk failed a requeue",
        "bshm_watchd/daemon.py",
        "        elif isinstance(error, OSError):\n",
        '        elif isinstance(error, OSError) and call != "requeue":\n',
        "tests/faults/test_requeue.py::"
        "test_a_requeue_that_the_place_fails_at_any_change_goes_on_by_itself_or_did_not_happen",
    ),
    Mutant(
        "D7",
        "ends where the journal is damaged",
        "bshm_watchd/journal.py",
        "            if not _shows_damage(error):\n                raise\n            self._disconnect()",
        "            if isinstance(error, Exception):\n                raise\n            self._disconnect()",
        "tests/test_journal_damage.py::test_a_damaged_journal_is_put_aside_and_a_new_one_begun",
    ),
    Mutant(
        "D7",
        "looks through the journal and keeps it, damaged as it is",
        "bshm_watchd/journal.py",
        "if why is not None and self._open and self._connection is looked_at:",
        "if False:",
        "tests/test_journal_long.py::test_damage_that_no_question_meets_is_found_by_looking_through",
    ),
    Mutant(
        "D7",
        "does not ask the journal what a job without its record had published",
        "bshm_watchd/recovery.py",
        "    row = journal.find(job_id)\n    originals",
        "    row = None\n    originals",
        "tests/faults/test_lost_records.py::test_a_record_lost_at_any_moment_loses_no_photo_and_makes_no_second_set",
    ),
    Mutant(
        "D8",
        "does not sync the directory in which an original was filed",
        "bshm_watchd/disk/filing.py",
        "folder.existing(place) as dir_fd:\n            disk.fsync(dir_fd)",
        "folder.existing(place) as dir_fd:\n            pass",
        "tests/faults/test_power_cut.py::test_a_power_cut_at_any_change_loses_nothing_and_doubles_nothing",
    ),
    Mutant(
        "L1",
        "files a failed photo before its sidecar is there",
        "bshm_watchd/pipeline.py",
        "                if course.job.problem is not None:\n                    note =",
        "                filing.file_original(course.folder, course.job, place)\n"
        "                if course.job.problem is not None:\n                    note =",
        "tests/test_retry.py::test_a_failed_photo_is_never_seen_without_its_sidecar",
    ),
    Mutant(
        "L1",
        "never gives up a photo of which the process dies",
        "bshm_watchd/recovery.py",
        "    if not retry.given_up(attempts, max_attempts):",
        "    if attempts:",
        "tests/faults/test_suspects.py::test_a_photo_that_ends_the_process_alone_fails_after_three_attempts",
    ),
)
