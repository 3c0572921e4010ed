"""Payloads from the real world, read where they lie: `REVOADA_CORPUS`, by default beside the repository.

Without that folder the tests here are not collected.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / os.environ.get("REVOADA_CORPUS", "../shared/corpus")

collect_ignore_glob = [] if CORPUS.is_dir() else ["test_*.py"]

# What a test may ask for by the name of an argument: it runs once for each of these files.
FILES = {
    "template_send": "sends/*_template*.json",
    "error_response": "responses/error_*.json",
    "accepted_response": "responses/send-ok_*.json",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for argument in FILES.keys() & set(metafunc.fixturenames):
        metafunc.parametrize(argument, find(argument), ids=lambda path: path.stem)


@pytest.fixture(scope="session")
def template_sends() -> list[Path]:
    return find("template_send")


def find(argument: str) -> list[Path]:
    paths = sorted(CORPUS.glob(FILES[argument]))
    if not paths:
        raise pytest.UsageError(f"The corpus in {CORPUS} has no {FILES[argument]}.")
    return paths
