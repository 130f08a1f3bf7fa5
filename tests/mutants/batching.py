"""Breaks of batching: a device with too little memory, a model that hangs."""

from tests.mutants.mutant import Mutant

_BATCHER = "bshm_watchd/matting/batcher.py"
_FITTING = "bshm_watchd/matting/fitting.py"
_MEMORY = "tests/test_out_of_memory.py"

MUTANTS = (
    Mutant(
        "G3",
        "tries with larger pictures again what did not fit with smaller ones",
        _FITTING,
        "for learned, most in self._most.items() if learned <= pixels",
        "for learned, most in self._most.items() if learned == pixels",
        f"{_MEMORY}::test_what_did_not_fit_is_not_tried_with_larger_pictures_and_still_is_with_smaller_ones",
    ),
    Mutant(
        "G3",
        "does not wait until the device is a photo's own",
        _FITTING,
        "        return not self._using if alone else not self._is_taken_alone\n",
        "        return True\n",
        f"{_MEMORY}::test_a_photo_that_fits_beside_nothing_else_waits_until_the_device_is_its_own",
    ),
    Mutant(
        "G3",
        "fails a photo because its batch did not fit",
        _BATCHER,
        "            if len(batch) > 1 or not alone:\n                self._learn(batch, error)\n"
        "                return self._answer(batch)\n            answers = [_too_large(batch[0], error)]\n",
        "            answers = [_too_large(batch[0], error)] * len(batch)\n",
        f"{_MEMORY}::test_every_photo_that_fits_alone_is_served_and_what_did_not_fit_is_not_tried_again",
    ),
    Mutant(
        "L2",
        "lets those wait for ever who are in the model when it hangs",
        _BATCHER,
        "                left += self._taken\n",
        "                pass\n",
        "tests/test_hanging.py::test_when_a_call_takes_too_long_all_callers_are_told_that_the_model_is_broken",
    ),
    Mutant(
        "I5",
        "passes photos of a rare shape over for as long as fuller batches come",
        "bshm_watchd/matting/choosing.py",
        "        return overtaken, alike.count / alike.most, alike.oldest_waited_seconds\n",
        "        return 0 * overtaken, alike.count / alike.most, alike.oldest_waited_seconds\n",
        "tests/test_choosing.py::test_a_rare_shape_has_its_turn_while_full_batches_of_another_one_keep_coming",
    ),
    Mutant(
        "O7",
        "waits for ever for a model that hangs",
        _BATCHER,
        "            if self._calls.is_overdue(now):\n",
        "            if False:\n",
        "tests/e2e/test_model_hangs.py::"
        "test_a_batch_without_an_answer_ends_the_program_and_in_company_costs_no_photo_an_attempt",
    ),
)
