"""The check of sizes, names and words finds what it is there to find."""

from __future__ import annotations

import pytest

from tests.check_sizes import problems_in

CODE = "bshm_watchd/intake/scan.py"


def found(text: str, path: str = CODE) -> list[str]:
    return [str(problem) for problem in problems_in(path, text)]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("import time", "import time"),
        ("from time import sleep", "import from time"),
        ("when = datetime.datetime.now()", "now()"),
        ("# quarantined photos", "say rejected or failed"),
        ("mask = alpha > 128", "say matte"),
        ("class FolderManager: ...", "says manager"),
        ("def parse_data() -> None: ...", "says data"),
        ("# TO" + "DO later", "finish it"),
        ('ROOT = "/wo' + 'rk/main"', "not part of the project"),
    ],
)
def test_each_offence_is_found_with_its_line(line: str, complaint: str) -> None:
    problems = found(f"x = 1\n{line}\n")
    assert len(problems) == 1
    assert problems[0].startswith(f"{CODE}:2: ") and complaint in problems[0]


@pytest.mark.parametrize(
    "line",
    ["os.umask(0)", "# the ACL mask", "place = f'.bshm/work/{job}'", "self.clock.monotonic()", "metadata = 1"],
)
def test_what_only_looks_like_an_offence_is_left_alone(line: str) -> None:
    assert found(f"{line}\n") == []


def test_the_network_s_own_words_are_right_in_its_own_package() -> None:
    assert found("mask = network(photo)\n", path="bshm_watchd/matting/bundle.py") == []


def test_time_may_be_read_in_its_one_place() -> None:
    assert found("import time\n", path="bshm_watchd/clock.py") == []


def test_a_file_that_is_too_long_is_found() -> None:
    assert found("x = 1\n" * 350) == []
    assert "351 lines" in found("x = 1\n" * 351)[0]


def test_long_functions_are_found_but_their_docstrings_do_not_count() -> None:
    long = "def f():\n" + "    x = 1\n" * 15
    told = 'def f():\n    """' + "word\n" * 15 + '    """\n    return 1\n'
    assert "16 lines at the median" in found(long * 3)[0]
    assert found(told * 3) == []


def test_an_empty_name_of_a_file_is_found() -> None:
    assert "the file's name says utils" in found("x = 1\n", path="bshm_watchd/path_utils.py")[0]


def test_a_level_of_the_log_may_be_called_info_and_nothing_else_there() -> None:
    text = "def info() -> None: ...\n\n\ndef info_line() -> None: ...\n"
    assert [problem.split(": ")[1] for problem in found(text, path="bshm_watchd/logs.py")] == ["info_line says info"]
