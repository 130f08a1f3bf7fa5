"""Configuration files that are made to break whoever reads them."""

from __future__ import annotations

import time

import pytest

from bshm_watchd import config
from bshm_watchd.errors import ConfigError


def _laughs(line: str) -> str:
    first = "a0: &a0 {x: 1, y: 2}\n"
    return first + "".join(line.format(n=n, m=n - 1) + "\n" for n in range(1, 30))


@pytest.mark.contract("S2")
@pytest.mark.parametrize(
    "text",
    [
        _laughs("a{n}: &a{n} [*a{m}, *a{m}, *a{m}, *a{m}, *a{m}, *a{m}, *a{m}, *a{m}, *a{m}]"),
        _laughs("a{n}: &a{n} {{<<: [*a{m}, *a{m}, *a{m}, *a{m}, *a{m}, *a{m}, *a{m}, *a{m}, *a{m}]}}"),
        "a: &a {x: 1}\nb: [" + "*a, " * 2000 + "]\n",
        "[" * 3_000,
        "a: " + "{b: " * 5_000,
        "version: " + "1" * 10_000,
        "version: 2026-99-99",
        "version: !!timestamp x",
    ],
    ids=["laughs", "merged laughs", "aliases", "brackets", "braces", "digits", "no date", "no timestamp"],
)
def test_a_bomb_of_a_file_is_a_problem_at_once(text: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(ConfigError) as caught:
        config.parse(text)
    assert all(len(told) < 1000 for told in caught.value.problems)
    assert time.perf_counter() - begun < 30  # else it would be for ever
