"""What Prometheus itself says about our rules, our board and our metrics (`make test-metrics`)."""

import subprocess

import yaml

from campaigns.metrics.counts import Counts
from campaigns.metrics.exposition import write_text
from campaigns.metrics.table import METRICS
from tests.metrics.board import RULES, list_board_expressions


def promtool(*arguments, **options):
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, **options)


def test_the_rules_are_correct_and_their_tests_pass():
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", "rules_test.yml", cwd=RULES.parent)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_expression_of_the_board_is_correct(tmp_path):
    rules = [{"record": f"board:{number}", "expr": each} for number, each in enumerate(list_board_expressions())]
    path = tmp_path / "board.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}), encoding="utf-8")
    checked = promtool("check", "rules", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


def test_prometheus_reads_our_text_and_finds_no_fault_in_the_names():
    counts = Counts()
    counts.declare(METRICS)
    checked = promtool("check", "metrics", input=write_text(counts.read()).decode())
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
