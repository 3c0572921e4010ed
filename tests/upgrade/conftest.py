"""The flows' fixtures, and the source of an old version."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from fixtures import database_url, flow, redis_url, simulator_url

from devstack.roles import PROJECT

__all__ = ["database_url", "flow", "redis_url", "simulator_url"]

# The oldest version whose processes must work beside those of today: the last one before the folders of decision 34.
OLDEST = "aadec809ea7fb2ab7a6770db32f1600534ea1707"


@pytest.fixture
def old_source(tmp_path: Path) -> Path:
    """The files of an old version, which OLD=<commit> chooses; git must have its history."""
    folder = tmp_path / "old"
    folder.mkdir()
    revision = os.environ.get("OLD") or OLDEST
    archive = subprocess.run(["git", "archive", revision], cwd=PROJECT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder
