"""What all schemas share: ids are strings of digits, times are RFC 3339 in UTC, and unknown members are refused."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from api.problems import describe_finding
from campaigns.domain.statement import Finding, Severity

MAX_LIMIT = 200
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
NO_NUL = r"^[^\x00]*$"

Text = Annotated[str, StringConstraints(max_length=1000, pattern=NO_NUL)]
Id = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,17}$"), BeforeValidator(str)]


def _refuse_number(value: object) -> object:
    """Let a time or a day be a text. Pydantic reads a number as the seconds since 1970, also in a text."""
    if not isinstance(value, str) or not _DAY.match(value):
        raise ValueError("Write it like 2026-12-31, and a time like 2026-12-31T09:00:00Z.")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_refuse_number)]
Day = Annotated[dt.date, BeforeValidator(_refuse_number)]
Moment = Annotated[dt.datetime, BeforeValidator(lambda at: at.astimezone(dt.UTC))]


class Out(BaseModel):
    """A body that the API sends."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def show(cls, row: object, **given: Any) -> Self:
        """Return the body with the members of a row, and with those that are given."""
        return cls.model_validate({name: getattr(row, name) for name in cls.model_fields if name not in given} | given)


class In(BaseModel):
    """A body or a query that a program sends."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(In):
    limit: int = Field(50, ge=1, le=MAX_LIMIT, description="The largest number of items on the page.")
    cursor: str | None = Field(None, max_length=1000, description="`next` of the page before.")


class Hint(Out):
    """An action that helps. `target`: the id or the name of the thing that is meant, or an empty text."""

    action: str
    target: str


class Reason(Out):
    """Why work with a file was refused or failed. `code` is stable."""

    code: str
    detail: str
    hint: Hint | None


class Notice(Out):
    """A finding about a campaign. `code` is stable; `detail` and `advice` are sentences in English."""

    code: str
    severity: Severity
    detail: str
    advice: str
    hint: Hint | None


def warn(findings: Iterable[Finding]) -> list[Any]:
    return [describe_finding(each) for each in findings]
