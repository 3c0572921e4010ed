"""Tests of slices have a database of their own each: some of them add triggers to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from campaigns.store.database import Database


@pytest.fixture
def database_url(cloned_url: str) -> str:
    return cloned_url


@pytest.fixture
def database(open_database: Callable[..., Database]) -> Database:
    return open_database()
