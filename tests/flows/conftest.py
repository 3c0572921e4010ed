"""The fixtures of the flows: an installation, and what stands between its roles and the far end."""

from __future__ import annotations

from fixtures import api_proxy, database_url, flow, gate, module_flow, redis_url, simulator_url

__all__ = ["api_proxy", "database_url", "flow", "gate", "module_flow", "redis_url", "simulator_url"]
