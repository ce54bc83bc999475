"""The inspector, under its public name; see `txengineio.integrations.inspector`."""

from __future__ import annotations

from txengineio.integrations.inspector.pages import InspectorResource

__all__ = ["InspectorResource"]
