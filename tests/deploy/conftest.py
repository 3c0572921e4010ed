"""The fixtures of the flows."""

from fixtures import database_url, flow, redis_url, simulator_url

__all__ = ["database_url", "flow", "redis_url", "simulator_url"]
