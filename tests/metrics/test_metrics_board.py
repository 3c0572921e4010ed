"""The board and the alert rules read metrics that exist, with labels that exist."""

import re

from campaigns.metrics.table import METRICS
from tests.metrics.board import PROJECT, find_metrics, list_board_expressions, list_panels, list_rules


def test_board_and_rules_read_metrics_of_the_table():
    expressions = [*list_board_expressions(), *(rule["expr"] for rule in list_rules())]
    assert set().union(*map(find_metrics, expressions)) <= METRICS.keys()
    for expression in expressions:
        for name, labels in re.findall(r"\b(revoada_[a-z_]+)\{([^}]*)\}", expression):
            metric = METRICS[re.sub(r"_bucket$", "", name)]
            used = set(re.findall(r"(\w+)\s*=", labels))
            assert used <= metric.labels.keys() | ({"le"} if name.endswith("_bucket") else set()), expression
            assert set(re.findall(r'le="([^"]+)"', labels)) <= set(map(str, metric.bounds)), expression


def test_the_board_shows_every_metric():
    shown = set().union(*map(find_metrics, list_board_expressions()))
    assert METRICS.keys() - shown == set()


def test_every_panel_has_a_title_a_text_and_a_unit():
    for panel in list_panels():
        assert panel["title"] and panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"


def test_every_alert_says_what_happened_and_what_to_do():
    alerts = [rule for rule in list_rules() if "alert" in rule]
    for rule in alerts:
        assert rule["labels"]["severity"] in {"page", "ticket", "operators"}
        assert rule["annotations"].keys() == {"summary", "action", "runbook"}
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        text = (PROJECT / path).read_text(encoding="utf-8")
        heads = [
            re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"(?m)^#+ (.*)$", text)
        ]
        assert not anchor or anchor in heads, rule["annotations"]["runbook"]
        assert rule["alert"] in (PROJECT / "deploy/prometheus/rules_test.yml").read_text(encoding="utf-8")


def test_the_document_has_every_metric_and_alert():
    text = (PROJECT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert {name for name in METRICS if f"`{name}`" not in text} == set()
    assert {rule["alert"] for rule in list_rules() if "alert" in rule and f"`{rule['alert']}`" not in text} == set()
    assert not set(re.findall(r"`(revoada_[a-z_]+)`", text)) - METRICS.keys()
