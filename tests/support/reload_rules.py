"""What a random studio does to the configuration of its running daemon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from bshm_watchd.errors import ConfigError
from tests.support.studio import HotTree, Running, Studio

BASE = "    rescan_seconds: 5\n"
_TWO_OUTPUTS = """    outputs:
      - {kind: cutout, path: "results/{relative_dir}/{stem}.png"}
      - {kind: matte, path: "matte/{relative_dir}/{stem}.png"}
"""
# Two outputs with all but the first, so that there are enough photos of which two are made.
_CHANGES = ("    weight: 2\n", "    settle_seconds: 3\n", "    permissions: {strict: true}\n")
_CONFIGURATIONS = ["", _TWO_OUTPUTS, *(_TWO_OUTPUTS + change for change in _CHANGES)]
_WRONG = ["model: {precision: bf16}\n", "modell: {}\n", "  - ["]


class ReloadRules(RuleBasedStateMachine):
    """Part of the machine that has all of these."""

    happened: ClassVar[Counter[str]]
    studio: Studio
    tree: HotTree
    _survive: Callable[[Callable[[Running], object]], None]

    @rule(change=st.sampled_from(_CONFIGURATIONS), wrong=st.sampled_from([None, None, *_WRONG]))
    def reload(self, change: str, wrong: str | None) -> None:
        """Of the changed file; with something wrong in it nothing of that is taken over."""
        before, self.tree.extra = self.tree.extra, BASE + change
        text = self.studio.text()
        if wrong is None:
            self._survive(lambda running: self._taken_over(running, text))
        else:
            self.tree.extra = before
            self._survive(lambda running: self._refused(running, text + wrong))

    def _taken_over(self, running: Running, text: str) -> None:
        self.happened["reloads"] += 1
        running.reload(text)
        assert running.state.settings == self.studio.settings().hot_folders[0]

    def _refused(self, running: Running, text: str) -> None:
        """The folder is the one that it was before, with all it knows."""
        self.happened["refused"] += 1
        state, settings = running.state, running.daemon.reloads.settings
        with pytest.raises(ConfigError):
            running.reload(text)
        assert running.state is state
        assert running.daemon.reloads.settings is settings
