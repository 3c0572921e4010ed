"""The pages on which a person makes a campaign, in steps: template, list, columns, check, accounts and pace, start."""

from __future__ import annotations

from flask import Flask

from console.pages.drafts import (
    approval,
    audience,
    check,
    columns,
    copies,
    decisions,
    list_file,
    pace,
    start,
    steps,
    tests,
    text,
)

_PAGES = (steps, text, list_file, audience, columns, decisions, check, pace, start, tests, approval, copies)


def register(app: Flask) -> None:
    for page in _PAGES:
        page.register(app)
