"""The outcomes that a script can give to requests, and the built-in outcomes by the ending of a phone number."""

from enum import StrEnum
from typing import NamedTuple

from simulator.catalogue import ERRORS


class Kind(StrEnum):
    OK = "ok"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    REPLY = "reply"
    SILENT = "silent"
    HELD = "held"
    FAILED = "failed"
    ERROR = "error"
    LOST = "lost"
    LOST_BEFORE = "lost-before"
    HALF = "half"
    HTML = "html"
    HTML_ACCEPTED = "html-accepted"
    EMPTY = "empty"
    GARBAGE = "garbage"
    HANG = "hang"
    HANG_BEFORE = "hang-before"
    GREEN = "GREEN"
    YELLOW = "YELLOW"
    RED = "RED"
    UNKNOWN = "UNKNOWN"
    UNKNOWN_FIELD = "unknown-field"
    REPEAT = "repeat"


class Step(NamedTuple):
    """An outcome for `times` requests; None: for all further ones."""

    kind: Kind
    code: int = 0
    times: int | None = None


Script = tuple[Step, ...]

QUALITIES = frozenset({Kind.GREEN, Kind.YELLOW, Kind.RED, Kind.UNKNOWN})
NOT_ACCEPTED = frozenset({Kind.ERROR, Kind.LOST_BEFORE, Kind.HTML, Kind.HANG_BEFORE})
BROKEN = frozenset(
    {Kind.LOST, Kind.LOST_BEFORE, Kind.HALF, Kind.HTML, Kind.HTML_ACCEPTED}
    | {Kind.EMPTY, Kind.GARBAGE, Kind.HANG, Kind.HANG_BEFORE}
)
HEALTH_KINDS = QUALITIES | BROKEN | {Kind.ERROR, Kind.UNKNOWN_FIELD}
READ_KINDS = BROKEN | {Kind.OK, Kind.ERROR}
LIST_KINDS = READ_KINDS | {Kind.REPEAT}
SEND_KINDS = frozenset(Kind) - QUALITIES - {Kind.UNKNOWN_FIELD, Kind.REPEAT, Kind.REPLY}
WITH_CODE = frozenset({Kind.ERROR, Kind.FAILED, Kind.HELD})

OK = Step(Kind.OK)

# Endings of seven digits. Phones of tests, which count up from a round number, do not have one of them by chance.
_TRANSPORT_ENDINGS = (
    Kind.LOST,
    Kind.LOST_BEFORE,
    Kind.HALF,
    Kind.HTML,
    Kind.HTML_ACCEPTED,
    Kind.EMPTY,
    Kind.GARBAGE,
    Kind.HANG,
    Kind.HANG_BEFORE,
    Kind.HELD,
    Kind.SILENT,
    Kind.SENT,
    Kind.DELIVERED,
    Kind.READ,
)
_FIRST_SMALL_CODE_ENDING = 9_777_000
_FIRST_TRANSPORT_ENDING = 9_666_001
_SMALL_CODES = 1_000


def build_suffixes() -> dict[str, Script]:
    """Return the built-in endings and their outcomes.

    `9`+code: refused with the code. `8`+code: accepted, then `failed` by webhook. `9777`+code: refused with a code
    below 1,000. `96660`+number: the other outcomes.
    """
    endings: dict[str, Step] = {}
    for code in ERRORS:
        if code < _SMALL_CODES:
            endings[str(_FIRST_SMALL_CODE_ENDING + code)] = Step(Kind.ERROR, code)
        else:
            endings[f"9{code:06}"] = Step(Kind.ERROR, code)
            endings[f"8{code:06}"] = Step(Kind.FAILED, code)
    for number, kind in enumerate(_TRANSPORT_ENDINGS, start=_FIRST_TRANSPORT_ENDING):
        endings[str(number)] = Step(kind)
    return {ending: (step,) for ending, step in endings.items()}


BUILT_IN_SUFFIXES = build_suffixes()


def parse_step(text: str, kinds: frozenset[Kind]) -> Step:
    """Read an outcome: `kind`, `kind:code`, `kind*times`. `error:131042@async` means `failed:131042`.

    Raises ValueError, which lists the outcomes that are possible here.
    """
    word, _, times = text.partition("*")
    word, _, code = word.partition(":")
    if code.endswith("@async"):
        word, code = Kind.FAILED, code.removesuffix("@async")
    if word == "400" and Kind.GREEN in kinds:
        word, code = Kind.ERROR, "100"
    if word not in {str(kind) for kind in kinds}:
        known = ", ".join(sorted(str(kind) for kind in kinds))
        raise ValueError(
            f"unknown outcome {text!r}; known are {known} (error, failed and held take a :code, all a *times)"
        )
    kind = Kind(word)
    if (code and (kind not in WITH_CODE or not code.isdecimal())) or (kind in {Kind.ERROR, Kind.FAILED} and not code):
        raise ValueError(f"outcome {text!r} needs a form like error:131026, failed:131049 or held:132015")
    if times and not times.isdecimal():
        raise ValueError(f"outcome {text!r} has a count that is not a number")
    return Step(kind, int(code or 0), int(times) if times else None)


def step_at(script: Script, request_count: int, after: Step = OK) -> Step:
    """Return the step for the next request of a scope after `request_count` requests; `after` at the script's end."""
    for step in script:
        if step.times is None or request_count < step.times:
            return step
        request_count -= step.times
    return after


def find_suffix(suffixes: dict[int, dict[str, Script]], digits: str) -> Script | None:
    """Return the script of the longest matching ending; `suffixes` are grouped by length, the longest first."""
    for length, scripts in suffixes.items():
        script = scripts.get(digits[-length:])
        if script is not None:
            return script
    return None


def group_by_length(suffixes: dict[str, Script]) -> dict[int, dict[str, Script]]:
    lengths = sorted({len(suffix) for suffix in suffixes}, reverse=True)
    return {length: {s: script for s, script in suffixes.items() if len(s) == length} for length in lengths}
