"""OpenVINO, without its messages to its makers: importing it reports each start over the network otherwise."""

from __future__ import annotations

import importlib
import sys
import types


def openvino() -> types.ModuleType:
    """The library, which takes a stand-in of its own that sends nothing where its telemetry can't be imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")
