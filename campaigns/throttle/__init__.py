"""The common limit of each account: tokens in Valkey, given by one Lua script."""
