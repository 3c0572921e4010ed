from pathlib import Path

import pytest

from devstack.postgres import start_postgres
from devstack.valkey import start_valkey

ODD_NAME = "dados da promoção 'até 50%'"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / ODD_NAME


@pytest.fixture
def postgres(data_dir):
    with start_postgres(data_dir, fsync=False) as server:
        yield server


@pytest.fixture(scope="module")
def shared_postgres(tmp_path_factory):
    """A server for tests that do not change its state."""
    with start_postgres(tmp_path_factory.mktemp("postgres"), fsync=False) as server:
        yield server


@pytest.fixture
def valkey(data_dir):
    with start_valkey(data_dir, appendonly=True) as server:
        yield server
