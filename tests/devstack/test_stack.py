from __future__ import annotations

import subprocess

from devstack.stack import Stack


def test_an_empty_variable_counts_as_unset(tmp_path):
    stack = Stack(tmp_path, {"FLOWER_BASIC_AUTH": "", "PATH": "/bin"})
    assert stack.environment == {"PATH": "/bin"}


def test_the_file_for_another_terminal_needs_no_activated_environment(tmp_path):
    with Stack(tmp_path, {"REVOADA_SLOTS": "7"}) as stack:
        path = stack.write_environment()
    command = ["sh", "-c", f". {path} && revoada --version && command -v celery && echo $REVOADA_SLOTS"]
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "7"
