"""Limits the rate of each account over all processes: a Lua script keeps token buckets in Valkey."""
