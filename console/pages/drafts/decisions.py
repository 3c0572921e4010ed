"""The decisions about people who may want no messages, without which a list is not read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flask import Flask, redirect, request, url_for
from werkzeug.wrappers import Response

from campaigns.domain.optout.consent import RefusalChoice
from campaigns.domain.statement import Entry, Field, Sentence, Statement
from campaigns.domain.users.rights import Right
from campaigns.management.files.jobs import find_list, read_parameters, read_reading, request_import
from campaigns.management.files.sentences import read_refusal
from campaigns.store.files.jobs import JobKind, JobRow
from console.context import actor, parts
from console.pages import CAMPAIGN
from console.pages.drafts.steps import load_draft
from console.rights import demands
from console.texts import _, language, number, plural, say

# The name of a choice of a reading, by the field of its entries.
_CHOICES = {Field.REFUSALS: "refusals", Field.NO_ANSWER: "unanswered"}


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision that nobody has taken. `words`: what the list says. `choice`: the name of the choice in a reading."""

    words: str
    choice: str


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/decide", "decide", decide, methods=["POST"])


@demands(Right.CAMPAIGN_DRAFT)
def decide(campaign_id: int) -> Response:
    """Read the list again as before, with the decision of a button."""
    load_draft(campaign_id)
    file, wanted = find_list(parts().database, campaign_id), read_decision()
    job = None if file is None else file.imported
    decisions = list_decisions(job)
    if file is not None and job is not None and decisions and wanted is not None:
        chosen: dict[str, Any] = {each.choice: wanted for each in decisions}
        reading = replace(read_reading(job.request), **chosen)
        request_import(
            parts().database,
            campaign_id,
            file.upload.id,
            reading,
            actor=actor(),
            replaces=job.kind == JobKind.REPLACE,
            parameters=read_parameters(job.request),
            language=language(),
        )
        parts().enqueue_file_work()
    return redirect(url_for("draft_check", campaign_id=campaign_id))


def read_decision() -> RefusalChoice | None:
    """Return the decision of the button that was pressed; None if it was another button."""
    found = request.form.get("decide")
    return RefusalChoice(found) if found in {RefusalChoice.SKIP, RefusalChoice.INCLUDE} else None


def list_decisions(job: JobRow | None) -> list[Decision]:
    """Return the decisions for want of which an import was refused; [] if it lacks others, too, or was not refused."""
    refusal = read_refusal(job)
    lacking = [] if refusal is None else _flatten(refusal.values.get("problem"))
    found = [_read(each) for each in lacking]
    return [each for each in found if each is not None] if all(found) else []


def _flatten(problem: object) -> list[Statement]:
    if not isinstance(problem, Statement):
        return []
    if problem.code == "decisions_missing":
        return [*_flatten(problem.values["one"]), *_flatten(problem.values["other"])]
    return [problem]


def _read(problem: Statement) -> Decision | None:
    entry, describe = problem.values.get("skip"), _WORDS.get(problem.code)
    if describe is None or not isinstance(entry, Entry) or entry.field not in _CHOICES:
        return None
    return Decision(describe(problem), _CHOICES[entry.field])


def _write(value: object) -> str:
    return say(value).striptags() if isinstance(value, Sentence) else str(value)


# By the code of a refusal: what the list says, in few words.
_WORDS: dict[str, Callable[[Statement], str]] = {
    "people_refuse": lambda problem: plural(
        "%(count)s row says that the person wants no messages (%(columns)s).",
        "%(count)s rows say that the person wants no messages (%(columns)s).",
        problem.values["rows"].number,
        columns=_write(problem.values["columns"]),
    ),
    "people_unanswered": lambda problem: plural(
        "%(count)s row does not say whether the person wants messages (%(columns)s).",
        "%(count)s rows do not say whether the person wants messages (%(columns)s).",
        problem.values["rows"].number,
        columns=_write(problem.values["columns"]),
    ),
    "people_below_refuse": lambda problem: plural(
        "%(count)s person stands below row %(row)s, which says %(words)s.",
        "%(count)s people stand below row %(row)s, which says %(words)s.",
        problem.values["rows"].number,
        row=number(problem.values["row"]),
        words=_write(problem.values["words"]),
    ),
    "answers_unclear": lambda problem: _(
        "The list may say who wants no messages: %(told)s.", told=_write(problem.values["told"])
    ),
    "comments_refuse": lambda problem: plural(
        "A comment on a cell of %(count)s row says that the person wants no messages.",
        "A comment on a cell of %(count)s rows says that the person wants no messages.",
        problem.values["rows"].number,
    ),
}
