"""Breaks of reloading the configuration, and of the plan that a job keeps."""

from tests.mutants.mutant import Mutant

_RELOAD = "tests/test_reload.py::"
_REFUSED = "tests/test_reload_refused.py::"

MUTANTS = (
    Mutant(
        "I8",
        "gives results the rights of today's configuration",
        "bshm_watchd/pipeline.py",
        "folder.with_rights(job.plan.permissions), job, self._journal",
        "folder, job, self._journal",
        "tests/test_daemon.py::test_a_job_keeps_the_rights_outputs_and_places_it_was_claimed_with",
    ),
    Mutant(
        "I8",
        "attaches a changed folder anew while jobs of the old plan still run in it",
        "bshm_watchd/folder_state.py",
        "return any(not folder.gone for folder in self.waits_for)",
        "return False",
        _RELOAD + "test_a_photo_in_work_keeps_the_plan_it_was_claimed_with_and_the_next_has_the_new_one",
    ),
    Mutant(
        "I8",
        "takes over a file that names another model",
        "bshm_watchd/reconfigure.py",
        "        if was != now:",
        "        if False:",
        _REFUSED + "test_a_wrong_file_changes_nothing_and_all_that_is_wrong_is_told",
    ),
    Mutant(
        "O4",
        "replaces folders before all new ones could be prepared",
        "bshm_watchd/reloads.py",
        "                made[settings.name] = self._reloading.make(settings)\n",
        "                made[settings.name] = self._reloading.make(settings)\n"
        "                self._folders.replace([settings], made)\n",
        _REFUSED + "test_when_one_folder_can_t_be_prepared_none_is_replaced",
    ),
    Mutant(
        "O4",
        "attaches every folder anew",
        "bshm_watchd/reconfigure.py",
        "        tuple((name, keys[name]) for name in both if keys[name]),",
        "        tuple((name, keys[name]) for name in both),",
        _RELOAD + "test_a_folder_that_did_not_change_is_not_disturbed",
    ),
    Mutant(
        "O4",
        "keeps the owner's record of a folder that was taken out",
        "bshm_watchd/folders.py",
        "keep_owned=folder.settings.path in staying",
        "keep_owned=True",
        _RELOAD + "test_folders_come_and_go",
    ),
    Mutant(
        "O4",
        "answers a reload by a reading that began before it was asked for",
        "bshm_watchd/reloads.py",
        "        asking, self._reading = self._reading or [], None\n",
        "        asking, self._reading = [*(self._reading or []), *self._asking], None\n        self._asking = []\n",
        _REFUSED + "test_reloads_come_one_after_the_other_and_none_is_answered_by_a_file_read_before_it_was_asked",
    ),
)
