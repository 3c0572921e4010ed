"""`revoada keygen --env-file`: one key, once, in a file that only its owner reads."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from dotenv import dotenv_values

KEY = "REVOADA_SECRET_KEY"
OLD = "gZ2x7mGmV1L2pUQ1q3o8mWZ0u6c3m8tX0E4b2n5k7hI="


@pytest.fixture
def env_file(revoada, tmp_path):
    """`.env` of the working directory, which is not there yet."""
    return tmp_path / ".env"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def read_key(path):
    """Return the key as every command reads it."""
    key = dotenv_values(path, interpolate=False)[KEY]
    Fernet(key)
    return key


def write(path, text, mode=0o600):
    path.write_bytes(text.encode())
    path.chmod(mode)


def test_a_new_file_has_the_key_and_is_its_owners_alone(revoada, env_file):
    output = revoada.ok("keygen", "--env-file", ".env")
    key = read_key(env_file)
    assert mode(env_file) == 0o600
    assert output == f"{KEY} stands in .env now. Keep a copy: access tokens cannot be read without it.\n"
    assert key not in output
    assert list(env_file.parent.iterdir()) == [env_file]


@pytest.mark.parametrize(
    "line",
    [
        f"{KEY}={OLD}",
        f"{KEY} = {OLD}",
        f"  export  {KEY}={OLD}",
        f"export\t{KEY}='{OLD}'",
        f'{KEY}="{OLD}"  # of May',
        f"'{KEY}'={OLD}",
        f"{KEY}={OLD}\n{KEY}=",
        f"{KEY}=\n{KEY}={OLD}",
        f"{KEY}=#not-a-comment",
        f"{KEY}=${{OTHER}}",
        f"{KEY}='{OLD}\n",  # a quote without an end
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", ""])
def test_a_file_that_has_a_key_is_refused_and_stays_as_it_is(revoada, env_file, line, line_end):
    text = f"# mine\n\nMETA_APP_SECRET=s\n{line}{line_end}".replace("\n", line_end or "\n")
    write(env_file, text, 0o640)
    line = revoada("keygen", "--env-file", ".env").stderr.splitlines()[-1]
    assert f".env has a {KEY} already, in line " in line or "cannot be read" in line
    assert OLD not in line
    assert (env_file.read_bytes().decode(), mode(env_file)) == (text, 0o640)
    assert list(env_file.parent.iterdir()) == [env_file]


def test_the_line_of_the_key_is_named_and_of_two_keys_both(revoada, env_file):
    write(env_file, f"A=1\n\n\n{KEY}={OLD}\n")
    assert "in line 4." in revoada.refusal("keygen", "--env-file", ".env")
    write(env_file, f"{KEY}={OLD}\nA=1\n{KEY}=other\n")
    assert "in lines 1, 3; only the last one counts" in revoada.refusal("keygen", "--env-file", ".env")


def test_a_second_call_is_refused(revoada, env_file):
    revoada.ok("keygen", "--env-file", ".env")
    key = read_key(env_file)
    revoada.refusal("keygen", "--env-file", ".env")
    assert read_key(env_file) == key


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "{line}\n"),
        ("A=1", "A=1\n{line}\n"),
        ("A=1\n", "A=1\n{line}\n"),
        ("A=1\r\nB=2\r\n", "A=1\r\nB=2\r\n{line}\r\n"),
        (f"#{KEY}={OLD}\n", f"#{KEY}={OLD}\n{{line}}\n"),
        (f"MY_{KEY}={OLD}\n", f"MY_{KEY}={OLD}\n{{line}}\n"),
        (f"{KEY}=\nB=2\n", "{line}\nB=2\n"),
        (f"A=1\n\n{KEY}= # fill in\nB=2\n", "A=1\n\n{line} # fill in\nB=2\n"),
        (f"export {KEY}=''\n", "export {line}\n"),
        (f'{KEY} = ""', "{line}\n"),
        (f"{KEY}\nB=2\n", "{line}\nB=2\n"),
        (f"{KEY}='  '\r\nB=2\r\n", "{line}\r\nB=2\r\n"),
        (f"{KEY}=\nA=1\n{KEY}=\n", f"{KEY}=\nA=1\n{{line}}\n"),
        ("\ufeffA=1\n", "\ufeffA=1\n{line}\n"),
    ],
)
def test_an_empty_value_is_filled_in_and_all_else_stays(revoada, env_file, before, after):
    write(env_file, before)
    revoada.ok("keygen", "--env-file", ".env")
    assert env_file.read_bytes().decode() == after.format(line=f"{KEY}={read_key(env_file)}")


def test_a_copy_of_the_example_takes_a_key(revoada, env_file):
    example = (Path(__file__).parents[2] / ".env.example").read_text()
    write(env_file, example)
    revoada.ok("keygen", "--env-file", ".env")
    assert env_file.read_text() == example.replace(f"\n{KEY}=\n", f"\n{KEY}={read_key(env_file)}\n")


def test_a_file_that_others_may_read_is_closed_to_them_and_it_is_said(revoada, env_file):
    write(env_file, "A=1\n", 0o644)
    output = revoada.ok("keygen", "--env-file", str(env_file))
    assert mode(env_file) == 0o600
    assert "could be read by other users" in output


def test_behind_a_link_the_file_it_leads_to_is_filled_in(revoada, env_file, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    for target in (shared / "there", shared / "not yet there"):
        env_file.symlink_to(target)
        if target.name == "there":
            write(target, "A=1\n")
        revoada.ok("keygen", "--env-file", ".env")
        assert env_file.is_symlink()
        assert read_key(target) == read_key(env_file)
        assert mode(target) == 0o600
        assert revoada("keygen", "--env-file", ".env").exit_code == 1
        env_file.unlink()


def test_what_is_no_file_of_settings_is_refused(revoada, env_file, tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "latin").write_bytes(b"NAME=Jo\xe3o\n")
    for name, reason in {
        "folder": "folder is not a file.",
        "pipe": "pipe is not a file.",
        "loop": "loop is not a file.",
        "/dev/null": "/dev/null is not a file.",
        "none/.env": "none/.env: there is no folder ",
        "latin": "latin is not text in UTF-8",
    }.items():
        assert revoada.refusal("keygen", "--env-file", name).startswith(reason)
    assert (tmp_path / "latin").read_bytes() == b"NAME=Jo\xe3o\n"


def test_of_several_at_once_one_writes_its_key(revoada, env_file):
    command = [
        sys.executable,
        "-c",
        "from campaigns.cli.root import main; main()",
        "keygen",
        "--env-file",
        str(env_file),
    ]
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda _: subprocess.run(command, capture_output=True, check=False), range(4)))
    assert sorted(run.returncode for run in runs) == [0, 1, 1, 1]
    assert env_file.read_text().count(KEY) == 1


@pytest.mark.parametrize(("bits", "is_told"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_may_read_is_told_of_by_each_command_once(revoada, env_file, bits, is_told):
    write(env_file, "A=1\n", bits)
    result = revoada("campaign", "list", "--json")
    assert (result.exit_code, result.stdout) == (0, "[]\n")
    assert result.stderr.count("`chmod 600 .env`") == int(is_told)
    assert len(result.stderr.splitlines()) == int(is_told)
