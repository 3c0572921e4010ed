"""The fixtures of the flows, for the faults."""

from __future__ import annotations

from fixtures import api_proxy, database_url, flow, gate, module_flow, redis_url, simulator_url

__all__ = ["api_proxy", "database_url", "flow", "gate", "module_flow", "redis_url", "simulator_url"]
