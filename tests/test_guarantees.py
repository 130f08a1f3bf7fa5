"""Every contract is named by a test, broken on purpose, and told in docs/guarantees.md."""

from __future__ import annotations

from tests.guarantees import PAGE, named_in, names_of, table
from tests.mutants.__main__ import mutants, times
from tests.support.contracts import CONTRACTS


def test_every_contract_is_named_by_a_test() -> None:
    assert set(CONTRACTS) - named_in().keys() == set()


def test_every_contract_has_a_break_that_a_test_sees() -> None:
    assert set(CONTRACTS) - {mutant.contract for mutant in mutants()} == set()


def test_the_test_that_sees_a_break_names_its_contract() -> None:
    assert [
        f"{mutant.contract}: {mutant.test}" for mutant in mutants() if mutant.contract not in names_of(mutant.test)
    ] == []


def test_every_break_fits_its_file() -> None:
    assert [f"{mutant.path}: {mutant.old}" for mutant in mutants() if times(mutant) != 1] == []


def test_the_page_tells_what_is_so() -> None:
    assert table() in PAGE.read_text(encoding="utf-8"), "write it anew: python -m tests.guarantees"
