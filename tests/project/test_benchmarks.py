"""The benchmarks start, measure and judge; how fast it is belongs to `make bench`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

from benchmarks import __main__, report, scaling
from benchmarks.__main__ import NAMES, ON_REQUEST
from benchmarks.chaos import hosts, network
from benchmarks.chaos.world import World
from benchmarks.report import Report
from tests.simulator.far_end import PATIENCE_SECONDS


def run(project, *words, **sizes):
    environment = os.environ | {name: str(value) for name, value in sizes.items()}
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_the_list_says_what_each_benchmark_measures(project):
    lines = run(project, "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [*NAMES, *ON_REQUEST]
    assert all(line.endswith(".") and ": " in line for line in lines)


def test_an_unknown_benchmark_is_refused(project):
    done = run(project, "sending", "flying")
    assert (done.returncode, "There is no benchmark flying" in done.stderr) == (2, True)


def test_what_is_not_correct_fails_the_run_and_what_is_slow_does_not(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    slow = Report("slow", "a title", messages=5)
    slow.add("one worker", messages_per_second=1.5, worker_cpu=200.0)
    slow.goal("fast", is_reached=False)
    slow.check("nobody twice", is_good=True)
    assert slow.finish() == 0
    slow.check("all accepted", is_good=False)
    assert slow.finish() == 1
    assert "missed" in capsys.readouterr().out
    written = json.loads((tmp_path / "slow.json").read_text())
    assert written["rows"] == {"one worker": {"messages_per_second": 1.5, "worker_cpu": 200.0}}
    assert written["checks"] == {"nobody twice": True, "all accepted": False}


def test_a_goal_is_a_ratio_to_a_yardstick_and_is_printed_with_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    compared = Report("compared", "a title")
    compared.goal_ratio("cheap enough", 1.4, most=1.4)
    compared.goal_ratio("fast enough", 0.5, least=0.6)
    assert compared.finish() == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["reached", "cheap", "enough", "(1.40)"] in lines
    assert ["missed", "fast", "enough", "(0.50)"] in lines
    assert json.loads((tmp_path / "compared.json").read_text())["ratios"] == {"cheap enough": 1.4, "fast enough": 0.5}


def test_a_benchmark_runs_from_servers_to_json(project, tmp_path):
    """The limits: they use all of the frame, and need a second."""
    sizes = {"LIMIT_ACCOUNTS": 2, "LIMIT_RATE": 20, "LIMIT_SECONDS": 1, "RECIPIENTS": 20, "BENCH_RESULTS": tmp_path}
    done = run(project, "limits", **sizes)
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((tmp_path / "limits.json").read_text())
    assert all(written["checks"].values())
    assert written["rows"]["one worker"].keys() >= {"messages_per_second", "worker_cpu", "postgres_cpu", "valkey_cpu"}


def test_a_benchmark_that_needs_root_says_so_and_runs_only_if_it_is_named(monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(__main__, "run", lambda name: ran.append(name) or 0)
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    assert __main__.main() == 0
    assert ran == list(NAMES)
    monkeypatch.setattr(network.os, "geteuid", lambda: 1_000)
    assert scaling.main() == 2
    assert "need root" in capsys.readouterr().err


class OneWorker(hosts.HostsWorld):
    """A world without hosts, whose worker is not started again after it was asked to end."""

    roles = ("worker1",)

    def __init__(self, worker):
        World.__init__(self, stack=None)
        self._roles = {"worker1": worker}


def test_the_thread_that_stops_workers_ends_with_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(hosts, "_CHURN_SECONDS", (0, 0))
    log, asked = tmp_path / "worker1.log", threading.Event()
    log.write_text("worker1 ready.")
    world = OneWorker(SimpleNamespace(log_path=log, send_signal=lambda _signal: asked.set()))
    churn = threading.Thread(target=world._churn, daemon=True)
    churn.start()
    assert asked.wait(PATIENCE_SECONDS)
    world._closing.set()
    churn.join(hosts._CHURN_MOST_SECONDS / 2)
    assert not churn.is_alive()
