"""Checks that the library methods which this project overrides exist in the installed versions."""

from __future__ import annotations

from collections.abc import Iterable


def require_names(owner: type, names: Iterable[str]) -> None:
    """Raise RuntimeError if a class lacks a name. If a library renames a method, our override of the old name has no
    effect.
    """
    if missing := [name for name in names if not hasattr(owner, name)]:
        lacking = ", ".join(missing)
        raise RuntimeError(f"This version of {owner.__module__} cannot be used: {owner.__name__} has no {lacking}")
