"""Which errors are the place's, and that each says what to do."""

from __future__ import annotations

import errno

import pytest

from bshm_watchd.errors import ConfigError, place_error


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "quota_exceeded"),
        (errno.EROFS, "read_only"),
        (errno.EACCES, "no_permission"),
        (errno.EPERM, "no_permission"),
        (errno.EIO, "io_error"),
        (errno.ESTALE, "share_gone"),
        (errno.EHOSTDOWN, "share_gone"),
        (errno.EHOSTUNREACH, "share_gone"),
        (errno.ENETDOWN, "share_gone"),
        (errno.ENETUNREACH, "share_gone"),
        (errno.ECONNABORTED, "share_gone"),
        (errno.ECONNREFUSED, "share_gone"),
        (errno.ECONNRESET, "share_gone"),
        (errno.ESHUTDOWN, "share_gone"),
        (errno.EREMOTEIO, "share_gone"),
        (errno.ENODEV, "share_gone"),
        (528, "share_gone"),
        (errno.ENOLCK, "no_locks"),
        (errno.EKEYEXPIRED, "no_permission"),
        (errno.EUCLEAN, "io_error"),
        (errno.EBADMSG, "io_error"),
        (errno.ENFILE, "too_many_open_files"),
        (errno.ENOTCONN, "share_gone"),
        (errno.ETIMEDOUT, "share_gone"),
        (errno.EAGAIN, "share_gone"),
        (errno.ECONNABORTED, "share_gone"),
        (errno.ECONNREFUSED, "share_gone"),
        (errno.ECONNRESET, "share_gone"),
        (errno.EHOSTUNREACH, "share_gone"),
        (errno.ENETDOWN, "share_gone"),
        (errno.ENETRESET, "share_gone"),
        (errno.ENETUNREACH, "share_gone"),
        (errno.EMFILE, "too_many_open_files"),
        (errno.ENOMEM, "out_of_memory"),
    ],
)
@pytest.mark.contract("D6")
def test_an_error_of_the_place_says_where_and_what_to_do(code: int, reason: str) -> None:
    sorted_error = place_error(OSError(code, "it went wrong", "/srv/hot"))
    assert sorted_error is not None
    assert sorted_error.reason == reason
    where, _, advice = str(sorted_error).partition(": it went wrong; ")
    assert where == "/srv/hot"
    assert advice


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EEXIST, errno.EXDEV, errno.ELOOP, errno.ENAMETOOLONG])
def test_other_errors_are_for_the_caller_to_decide(code: int) -> None:
    assert place_error(OSError(code, "it went wrong")) is None


def test_an_error_without_a_number_is_nobodys() -> None:
    assert place_error(OSError("somebody raised it by hand")) is None


@pytest.mark.parametrize("filename", [b"/srv/\xff", "/srv/\udcff"])
def test_a_name_that_is_no_text_is_still_named(filename: bytes | str) -> None:
    assert str(place_error(OSError(errno.EIO, "it went wrong", filename))).startswith("/srv/\udcff: ")


def test_an_error_that_names_no_file_means_the_hot_folder() -> None:
    assert str(place_error(OSError(errno.EIO, "it went wrong"))).startswith("the hot folder: it went wrong")


def test_a_configuration_error_says_all_problems_a_line_each() -> None:
    assert str(ConfigError(["one", "two"])) == "one\ntwo"
