"""Breaks of decoding: its walls, its limits, what becomes of the neighbours."""

from tests.mutants.mutant import Mutant

_SANDBOX = "bshm_watchd/matting/sandbox.py"
_DECODER = "bshm_watchd/matting/decoder.py"
_TESTS = "tests/test_sandbox.py"

MUTANTS = (
    Mutant(
        "S1",
        "does not put up Landlock",
        _SANDBOX,
        "    if here.landlock:\n        landlock.deny_all()\n",
        "",
        f"{_TESTS}::test_landlock_alone_keeps_it_from_files_sockets_and_processes",
    ),
    Mutant(
        "S1",
        "lets Landlock pass what opens a file for reading",
        "bshm_watchd/matting/landlock.py",
        "return _Rules((2 << _LAST_FILE_RIGHT[known]) - 1, network, scopes), 8 * fields",
        "return _Rules((2 << _LAST_FILE_RIGHT[known]) - 1 - 4, network, scopes), 8 * fields",
        f"{_TESTS}::test_landlock_alone_keeps_it_from_files_sockets_and_processes",
    ),
    Mutant(
        "S1",
        "lets every unknown system call pass",
        "bshm_watchd/matting/system_calls.py",
        "0, os.getpid())\n    yield _instruction(_RETURN, _FAIL | _EPERM)\n",
        "0, os.getpid())\n    yield _instruction(_RETURN, _ALLOW)\n",
        f"{_TESTS}::test_the_filter_alone_keeps_it_from_them_where_there_is_no_landlock",
    ),
    Mutant(
        "S1",
        "lets a child set limits of its parent",
        "bshm_watchd/matting/system_calls.py",
        'partly["prlimit64"], 0, 0)\n',
        'partly["prlimit64"], 0, os.getppid())\n',
        f"{_TESTS}::test_the_filter_alone_keeps_it_from_them_where_there_is_no_landlock",
    ),
    Mutant(
        "S1",
        "serves photos without having been confined",
        "bshm_watchd/matting/decode_child.py",
        "        sys.exit(EXIT_UNCONFINED)\n",
        "        return Allowance(1 << 40, seconds)\n",
        f"{_TESTS}::test_a_child_that_cannot_be_confined_serves_nobody_and_blames_no_photo",
    ),
    Mutant(
        "S1",
        "leaves a child the parent's environment",
        _DECODER,
        "            env=kept | _ONE_THREAD,\n",
        "            env=dict(os.environ) | _ONE_THREAD,\n",
        f"{_TESTS}::test_a_decode_child_stands_behind_its_walls",
    ),
    Mutant(
        "S1",
        "does not replace a child that died",
        _DECODER,
        "        return child.alive() and child.photos < self._photos_per_child\n",
        "        return child.photos < self._photos_per_child\n",
        "tests/test_decoder.py::test_a_child_that_died_while_idle_costs_no_photo",
    ),
    Mutant(
        "S1",
        "waits for ever for the end of a child that hung up",
        _DECODER,
        "self.process.wait(_END_SECONDS)",
        "self.process.wait()",
        "tests/test_decoder.py::test_a_child_that_hangs_up_and_does_not_end_is_ended",
    ),
    Mutant(
        "D5",
        "blames a photo for a child that ended before it was ready",
        _DECODER,
        "            raise _unavailable(error) from error\n\n    def _received",
        "            raise\n\n    def _received",
        "tests/test_decoder.py::test_a_child_that_never_comes_up_costs_no_photo_an_attempt",
    ),
    Mutant(
        "D5",
        "blames a photo for a machine that will not confine its decoders",
        "bshm_watchd/ending.py",
        " and not isinstance(failure, DecoderUnsafe)",
        "",
        "tests/test_daemon.py::test_a_machine_that_will_not_confine_decoders_blames_no_photo_however_often_it_starts",
    ),
    Mutant(
        "L2",
        "gives the error of one photo's inference to its whole batch",
        "bshm_watchd/matting/batcher.py",
        "            if len(batch) > 1:\n"
        "                return self._answer_in_parts(batch, 1)\n            answers = [error]\n",
        "            answers = [error] * len(batch)\n",
        "tests/test_batcher.py::test_a_batch_that_fails_as_a_whole_is_tried_photo_by_photo",
    ),
    Mutant(
        "L2",
        "shows one photo what the one before left in the buffer",
        "bshm_watchd/matting/samples.py",
        "    for top in range(0, len(stored), ROWS_AT_A_TIME):\n        rows = slice(top, top + ROWS_AT_A_TIME)\n"
        "        cv2.cvtColor(",
        "    for top in range(0, len(stored), ROWS_AT_A_TIME):\n        rows = slice(top, top + ROWS_AT_A_TIME - 200)\n"
        "        cv2.cvtColor(",
        "tests/test_room.py::test_every_pixel_is_written_over_whatever_was_there",
    ),
    Mutant(
        "L3",
        "sets no limit of memory",
        _SANDBOX,
        "        (resource.RLIMIT_AS, memory_bytes),\n",
        "",
        f"{_TESTS}::test_limits_alone_keep_it_from_taking_the_machine",
    ),
    Mutant(
        "L3",
        "decodes before it looks at the size",
        "bshm_watchd/matting/decoding.py",
        "    if header.height * header.width > max_pixels:\n",
        "    if header.height * header.width > max_pixels**2:\n",
        "tests/test_bombs.py::test_a_bomb_takes_what_its_picture_may_take_and_no_more[png of 900 megapixels]",
    ),
    Mutant(
        "L3",
        "claims a photo to work on it although it can never fit",
        "bshm_watchd/schedule.py",
        "        if cost_bytes <= self._limits.in_flight_bytes:\n            return None\n"
        "        return too_much_memory(offer.width, offer.height, cost_bytes, self._limits)",
        "        return None",
        "tests/test_schedule.py::test_a_photo_that_can_never_fit_is_claimed_to_be_rejected_and_costs_nothing",
    ),
    Mutant(
        "L3",
        "counts half of what decoding takes",
        "bshm_watchd/delivery/render.py",
        "_DECODING = 16 ",
        "_DECODING = 8 ",
        "tests/test_render.py::test_a_photo_of_24_megapixels_takes_no_more_memory_than_its_cost[noise16.png-matte.png-1.9]",
    ),
)
