"""The expressions of the board and of the alert rules, for the tests and for promtool."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
BOARD = PROJECT / "deploy" / "grafana" / "revoada.json"
RULES = PROJECT / "deploy" / "prometheus" / "rules.yml"


def list_panels():
    return [panel for panel in json.loads(BOARD.read_text(encoding="utf-8"))["panels"] if panel["type"] != "row"]


def list_board_expressions():
    """Return the expressions of the board. Grafana itself replaces the interval."""
    return [target["expr"].replace("$__rate_interval", "5m") for panel in list_panels() for target in panel["targets"]]


def list_rules():
    return [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def find_metrics(expression):
    """Return the metrics that an expression reads; of a histogram, its name without the suffix."""
    names = re.findall(r"\brevoada_[a-z_]+", expression)
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in names}
