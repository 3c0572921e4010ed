"""The folders stay small enough that a newcomer can read the names of their files in one go."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
MAX_MODULES = 16


def test_no_folder_holds_more_than_sixteen_modules() -> None:
    crowded = {}
    for package in ("campaigns", "webhooks"):
        for folder in (PROJECT / package, *(path for path in (PROJECT / package).rglob("*") if path.is_dir())):
            modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
            if len(modules) > MAX_MODULES:
                crowded[str(folder.relative_to(PROJECT))] = len(modules)
    assert crowded == {}
