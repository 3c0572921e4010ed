"""With LOG_FORMAT=json every line of a role is JSON, whatever prints it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest

from campaigns.celery import is_role


def run(program, **environment):
    """Run a program as a role; return its lines and the end of its stdout."""
    return subprocess.run(
        [sys.executable, "-c", f"from campaigns.logs import start_log\nstart_log()\n{program}"],
        env={"LOG_FORMAT": "json"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def read(done):
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def only(program, **environment):
    (line,) = read(run(program, **environment))
    assert set(line) >= {"time", "level", "event", "message"}
    return line


@pytest.mark.parametrize(
    ("program", "event", "message"),
    [
        ("print('a library prints')", "stdout", "a library prints"),
        ("import sys; print('an error', file=sys.stderr)", "stderr", "an error"),
        ("import sys; print('Celery prints', file=sys.__stdout__)", "stdout", "Celery prints"),
        ("print('in pieces', end=''); print(' and without an end', end='')", "stdout", "in pieces and without an end"),
        ("import sys; sys.exit('revoada: REDIS_URL is not set')", "stderr", "revoada: REDIS_URL is not set"),
        ("import click; click.echo('by click', err=True)", "stderr", "by click"),
        ("print('\\x1b[31mred')", "stdout", "\x1b[31mred"),
        ("print('to +5511987654321')", "stdout", "to +5511…21"),
    ],
)
def test_text_that_is_printed_is_a_log_line(program, event, message):
    line = only(program)
    assert (line["event"], line["message"]) == (event, message)


def test_each_printed_line_is_a_log_line_and_empty_lines_are_none():
    lines = read(run("print('\\none\\n\\n two \\n')"))
    assert [line["message"] for line in lines] == ["one", " two"]


def test_a_crash_is_one_line_with_its_traceback():
    done = run("def start():\n    raise ValueError('broken')\nstart()")
    (line,) = read(done)
    assert done.returncode == 1
    assert (line["level"], line["event"]) == ("CRITICAL", "process_crashed")
    assert "in start" in line["exception"]
    assert line["exception"].endswith("ValueError: broken")


REFUSED = "from campaigns.config import read_settings\nread_settings()"
SENTENCE = "REVOADA_SLOTS is wrong: invalid literal for int() with base 10: 'many'"


def test_a_wrong_setting_is_one_line_without_a_traceback():
    done = run(REFUSED, REVOADA_SLOTS="many")
    (line,) = read(done)
    assert done.returncode == 1
    assert (line["event"], line["message"]) == ("process_crashed", f"The process cannot start: {SENTENCE}")
    assert "exception" not in line


def test_a_wrong_setting_is_one_sentence_as_text():
    done = run(REFUSED, REVOADA_SLOTS="many", LOG_FORMAT="text")
    assert (done.returncode, done.stderr) == (1, f"revoada: {SENTENCE}\n")


def test_a_wrong_setting_is_a_sentence_at_a_terminal_also_if_the_log_is_json():
    ours, theirs = pty.openpty()
    program = f"from campaigns.logs import start_log\nstart_log()\n{REFUSED}"
    environment = {"LOG_FORMAT": "json", "REVOADA_SLOTS": "many"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, stderr=theirs, check=False)
    assert done.returncode == 1
    assert os.read(ours, 10_000).decode() == f"revoada: {SENTENCE}\r\n"


def test_the_crash_of_a_thread_is_one_line_with_its_traceback():
    line = only("import threading; threading.Thread(target=lambda: 1 / 0, name='drain').start()")
    assert (line["level"], line["event"]) == ("ERROR", "thread_crashed")
    assert line["message"].startswith("Thread drain ends")
    assert line["exception"].endswith("ZeroDivisionError: division by zero")


def test_an_error_that_python_ignores_is_one_line():
    line = only("class Pool:\n    def __del__(self):\n        raise RuntimeError('too late')\nPool()")
    assert (line["level"], line["event"]) == ("WARNING", "error_ignored")
    assert line["exception"].endswith("RuntimeError: too late")


def test_a_warning_is_one_line():
    line = only("import warnings; warnings.warn('this will\\nchange', stacklevel=1)")
    assert (line["level"], line["event"]) == ("WARNING", "py.warnings")
    assert "UserWarning: this will\nchange" in line["message"]


def test_a_value_that_cannot_be_logged_does_not_end_the_process():
    done = run("import logging; logging.error('%d', 'no number'); print('goes on')")
    assert done.returncode == 0
    assert json.loads(done.stderr.splitlines()[-1])["message"] == "goes on"


def test_a_wrong_setting_does_not_change_the_format():
    assert only("print('x')", REVOADA_SLOTS="many", LOG_LEVEL="LOUD")["message"] == "x"


def test_as_text_the_output_stays_as_it_is():
    done = run("print('plain'); 1 / 0", LOG_FORMAT="text")
    assert done.stdout == "plain\n"
    assert done.stderr.startswith("Traceback")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/venv/bin/celery -A campaigns -q worker -Q campaigns", True),
        ("/venv/lib/celery/__main__.py -A campaigns beat", True),
        ("celery -A campaigns flower --port=5555", True),
        ("celery -A campaigns inspect active", False),
        ("celery -A campaigns purge -f -Q campaigns", False),
        ("/venv/bin/revoada account add worker", False),
        ("/venv/bin/gunicorn webhooks:create_app()", False),
    ],
)
def test_only_a_role_turns_its_output_into_a_log(command, expected):
    assert is_role(command.split()) is expected


def test_the_log_of_a_role_has_its_language_from_the_start():
    program = (
        "import logging\n"
        "from campaigns.logs import event\n"
        "logging.getLogger('campaigns').warning('Starting campaign %s: %s', 7, 'A', extra=event('campaign_started'))"
    )
    assert only(program, REVOADA_LOG_LANGUAGE="pt_BR")["message"] == "Iniciando a campanha 7: A"
