"""What a guest program says to the host: one line of JSON each."""

from __future__ import annotations

import json
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from tests.vm.machine import MARK

_one_at_a_time = threading.Lock()


def say(**fields: Any) -> None:
    with _one_at_a_time:
        print(MARK + json.dumps(fields), flush=True)


def run_scenarios(scenarios: Mapping[str, Callable[[], Mapping[str, int]]]) -> None:
    """Each says what it went through, or how it failed; the next one runs all the same."""
    for name, scenario in scenarios.items():
        try:
            say(scenario=name, counts=dict(scenario()))
        except Exception:  # noqa: BLE001  told to the host, whose test fails
            say(scenario=name, failed=traceback.format_exc())
        sys.stdout.flush()
