"""The metrics, under their public name; see `txengineio.integrations.metrics`."""

from __future__ import annotations

from txengineio.integrations.metrics import EngineMetrics, MetricsResource

__all__ = ["EngineMetrics", "MetricsResource"]
