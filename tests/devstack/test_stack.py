from __future__ import annotations

from devstack.stack import Stack


def test_an_empty_variable_counts_as_unset(tmp_path):
    stack = Stack(tmp_path, {"FLOWER_BASIC_AUTH": "", "PATH": "/bin"})
    assert stack.environment == {"PATH": "/bin"}
