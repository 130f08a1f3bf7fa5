"""Things for one thread at a time: who waits, and what closing does to those who do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from bshm_watchd.errors import RuntimeBroken
from bshm_watchd.matting.pool import Pool


def borrowed(pool: Pool[str]) -> str:
    with pool.lent() as thing:
        return thing


def test_a_thing_is_lent_to_one_at_a_time_and_comes_back() -> None:
    pool: Pool[str] = Pool()
    pool.add("pen")
    with ThreadPoolExecutor(1) as threads:
        with pool.lent() as pen:
            waiting = threads.submit(borrowed, pool)
            assert not waiting.done()
        assert (pen, waiting.result(10)) == ("pen", "pen")


def test_a_thing_comes_back_from_a_caller_that_fails() -> None:
    pool: Pool[str] = Pool()
    pool.add("pen")
    with pytest.raises(ValueError, match="broken"), pool.lent():
        raise ValueError("broken")
    assert borrowed(pool) == "pen"


def test_all_who_wait_and_all_who_come_later_hear_of_the_close() -> None:
    pool: Pool[str] = Pool()
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(borrowed, pool) for _ in range(3)]
        pool.close()
        assert all(isinstance(one.exception(10), RuntimeBroken) for one in waiting)
    pool.close()
    with pytest.raises(RuntimeBroken, match="closed"):
        borrowed(pool)


def test_what_comes_back_after_the_close_is_lent_to_nobody() -> None:
    pool: Pool[str] = Pool()
    pool.add("pen")
    with pool.lent():
        pool.close()
    for _ in range(3):
        with pytest.raises(RuntimeBroken, match="closed"):
            borrowed(pool)


def test_all_things_have_their_turn() -> None:
    pool: Pool[str] = Pool()
    for thing in "abc":
        pool.add(thing)
    assert [borrowed(pool) for _ in range(6)] == list("abcabc")
