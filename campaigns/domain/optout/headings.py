"""Finds headings in the middle of a list, such as "Left - do not contact" above people who have left.

The people below a heading that says so want no messages, until the next heading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from campaigns.domain.optout.consent import heads_refusals
from campaigns.domain.text.normal import is_blank

# A row without a phone that has one text only is a heading in a list of at least this number of columns. In a list of
# fewer columns, it may be a person without a phone.
_LEAST_COLUMNS = 3
_MOST_TEXTS = 2  # of a heading with a refusal
_MOST_HEADINGS = 10  # more headings are the sections of a list, or people without a phone
_MOST_SHOWN = 60
_MOST_DIGITS = 4  # a text with more digits may be a phone


@dataclass(slots=True)
class Heading:
    """A heading in a list. `column`: the column of its words. `below_count`: the people below it, up to the next one.

    `refuses`: the words say that these people want no messages.
    """

    row_number: int
    column: str
    words: str
    refuses: bool
    below_count: int = 0


class Headings:
    """The headings found so far.

    `names`: the columns of the list. `unrelated`: the columns whose words are about something else than messages.
    """

    def __init__(self, names: Sequence[str], *, unrelated: AbstractSet[int] = frozenset()) -> None:
        self._names, self._unrelated = names, unrelated
        self._found: list[Heading] = []

    def add(self, row_number: int, cells: Sequence[str]) -> None:
        """Add a row in whose column of the phones there is no phone."""
        texts = [(position, cell.strip()) for position, cell in enumerate(cells) if not is_blank(cell)]
        if not 1 <= len(texts) <= _MOST_TEXTS or not any(letter.isalpha() for _, text in texts for letter in text):
            return
        refusing = next(
            (each for each in texts if each[0] not in self._unrelated and heads_refusals(each[1])),
            None,
        )
        if refusing is None and (len(texts) > 1 or sum(map(bool, self._names)) < _LEAST_COLUMNS):
            return
        position, text = refusing or texts[0]
        name = self._names[position] if position < len(self._names) else ""
        self._found.append(Heading(row_number, name, _show(text), refusing is not None))

    def count_person(self) -> Heading | None:
        """Count a person below the last heading; return this heading if it says that the person wants no messages."""
        if not self._found:
            return None
        last = self._found[-1]
        last.below_count += 1
        return last if last.refuses else None

    def list_refusing(self) -> Iterator[Heading]:
        """Yield the headings above people who want no messages."""
        return (each for each in self._found if each.refuses and each.below_count)

    def list_others(self) -> list[Heading]:
        """Return the other headings above people; [] if there are too many for headings."""
        others = [each for each in self._found if not each.refuses]
        return [each for each in others if each.below_count] if len(others) <= _MOST_HEADINGS else []


def _show(text: str) -> str:
    if sum(map(str.isdigit, text)) > _MOST_DIGITS:
        return "…"
    plain = " ".join(text.split())
    return plain if len(plain) <= _MOST_SHOWN else f"{plain[:_MOST_SHOWN]}…"
