"""The common limit of each account: tokens in Valkey, given by one Lua script."""

from campaigns.throttle.bucket import Ask, Grant, Throttle

__all__ = ["Ask", "Grant", "Throttle"]
