"""Who reaches the control socket: the daemon's user, its group and root; nobody else on the machine."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from bshm_watchd.journal import Journal
from bshm_watchd.ops.asking import ControlError, NotRunning, ask
from bshm_watchd.ops.control import ControlServer
from tests.support.asked import main_thread
from tests.support.clients import echo
from tests.support.clock import FakeClock
from tests.support.trees import as_ordinary_user

pytestmark = [
    pytest.mark.contract("S3"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs several users, which only root can become"),
]

_DAEMONS, _MEMBER, _STRANGER = 4801, 4802, 4803
_ID = "01J9ZQ4T2V8W3X5Y6Z7A8B9C0D"


@pytest.mark.parametrize(
    ("user", "groups", "reaches"),
    [(_MEMBER, [_DAEMONS], True), (_STRANGER, [], False), (_DAEMONS, [], True), (_STRANGER, [_MEMBER], False)],
    ids=["a member of its group", "a stranger", "its user", "a member of another group"],
)
def test_the_socket_answers_its_user_and_group_alone_and_notes_who_asked(
    fast_path: Path, user: int, groups: list[int], caplog: pytest.LogCaptureFixture, *, reaches: bool
) -> None:
    fast_path.chmod(0o755)
    path = fast_path / "control.sock"

    def asked() -> str:
        try:
            return str(ask(path, "requeue", {"ids": [_ID]})["verb"])
        except (ControlError, NotRunning) as error:
            return f"refused: {error}"

    with (
        caplog.at_level(logging.INFO, "bshm_watchd"),
        Journal(fast_path / "j", FakeClock()) as journal,
        main_thread(echo) as put,
        ControlServer(path, put, journal),
    ):
        os.chown(path, _DAEMONS, _DAEMONS)
        told = as_ordinary_user(asked, user, groups)
    noted = [record.fields["uid"] for record in caplog.records if record.getMessage() == "asked"]  # type: ignore[attr-defined]
    assert (told == "requeue", noted) == (reaches, [user] if reaches else []), told
