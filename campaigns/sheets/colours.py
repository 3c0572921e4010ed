"""Finds the rows that a person has marked by a colour: of the cells, or of their texts."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from xml.etree.ElementTree import Element

from campaigns.sheets.package import is_set, name_of

# A cell without a colour looks like a white one, and a text without a colour is black. The numbers are those of
# ECMA-376 part 1, 18.8.27 and 18.8.3: the old palette, and the colours of the theme.
_WHITE = frozenset({"rgb FFFFFFFF", "rgb 00FFFFFF", "indexed 1", "indexed 9", "indexed 64", "indexed 65", "theme 0"})
_BLACK = frozenset({"rgb FF000000", "rgb 00000000", "indexed 0", "indexed 8", "indexed 64", "theme 1"})
_NO_COLOUR = ""
_LEAST_BANDS = 3  # two marked rows between others are a mark as well


def read_colours(groups: Mapping[str, Element]) -> dict[str, str]:
    """Return the colours of the cell styles that have one, by the number of the style.

    `groups`: the parts of the styles of a workbook, by name. An underlined text is a link, whose colour marks nothing.
    """
    fills = [_read_fill(each) for each in groups.get("fills", ())]
    fonts = [_read_font(each) for each in groups.get("fonts", ())]
    found = {}
    for style, each in enumerate(groups.get("cellXfs", ())):
        colours = (_get(fills, each.get("fillId")), _get(fonts, each.get("fontId")))
        if any(colours):
            found[str(style)] = "/".join(colours)
    return found


def _get(colours: Sequence[str], number: str | None) -> str:
    return colours[int(number)] if number and int(number) < len(colours) else _NO_COLOUR


def _read_fill(fill: Element) -> str:
    for pattern in fill:
        if name_of(pattern) == "gradientFill":
            return "gradient"
        if pattern.get("patternType", "none") in {"none", "gray125"}:
            continue
        return next((_write_colour(each, _WHITE) for each in pattern if name_of(each) == "fgColor"), _NO_COLOUR)
    return _NO_COLOUR


def _read_font(font: Element) -> str:
    parts = {name_of(each): each for each in font}
    if "color" not in parts or ("u" in parts and parts["u"].get("val") != "none"):
        return _NO_COLOUR
    return _write_colour(parts["color"], _BLACK)


def _write_colour(colour: Element, plain: Collection[str]) -> str:
    """Return a colour as one text, "" for one of the colours that cells have anyway."""
    if is_set(colour, "auto"):
        return _NO_COLOUR
    kind = next((each for each in ("rgb", "theme", "indexed") if each in colour.attrib), None)
    if kind is None:
        return _NO_COLOUR
    written = f"{kind} {colour.attrib[kind].upper()}"
    tint = float(colour.get("tint", "0"))
    return _NO_COLOUR if written in plain and not tint else f"{written} {tint:.2f}"


@dataclass(frozen=True, slots=True)
class ColouredRows:
    """The rows whose colour differs from that of most rows.

    `rows`: their numbers. `is_most_coloured`: most rows have a colour, so it is not certain which rows are the marked
    ones.
    """

    rows: list[int]
    is_most_coloured: bool


@dataclass(slots=True)
class RowColours:
    """The colours of the rows of a sheet. Rows that look alike share one entry, so a row takes eight bytes."""

    _looks: dict[tuple[tuple[int, str], ...], int] = field(default_factory=dict)
    _rows: array[int] = field(default_factory=lambda: array("I"))
    _of_rows: array[int] = field(default_factory=lambda: array("I"))
    _dropped: set[int] = field(default_factory=set)

    def add(self, row_number: int, colours: Iterator[tuple[int, str]]) -> None:
        """Add a row. `colours`: each position that has a text, with its colour or ""."""
        look = self._looks.setdefault(tuple(colours), len(self._looks))
        self._rows.append(row_number)
        self._of_rows.append(look)

    def drop(self, row_number: int) -> None:
        """Ignore the colour of a row that has no recipient, such as a row with totals."""
        if self._rows:
            self._dropped.add(row_number)

    def find(self, *, header_row: int, phone: int, people: Collection[int]) -> ColouredRows | None:
        """Return the rows below the header that somebody has marked, or None.

        `phone` and `people`: the positions of the columns of the phones and of the names of people. A row is marked if
        its cell in one of these columns, or at least half of its cells, have another colour than most cells of the
        column. Stripes, which make a list easier to read, mark nothing.
        """
        looks = [dict(look) for look in self._looks]
        rows = [
            (number, look)
            for number, look in zip(self._rows, self._of_rows, strict=True)
            if number > header_row and number not in self._dropped and phone in looks[look]
        ]
        counts = Counter(look for _, look in rows)
        by_column: dict[int, Counter[str]] = {}
        for look, count in counts.items():
            for position, colour in looks[look].items():
                by_column.setdefault(position, Counter())[colour] += count
        usual = {position: colours.most_common(1)[0][0] for position, colours in by_column.items()}
        marked = {look for look in counts if _is_marked(looks[look], usual, {phone, *people})}
        found = [number for number, look in rows if look in marked]
        if not found or _are_stripes([look in marked for _, look in rows]):
            return None
        return ColouredRows(found, usual[phone] != _NO_COLOUR and any(not looks[each][phone] for each in marked))


def _is_marked(look: Mapping[int, str], usual: Mapping[int, str], people: Collection[int]) -> bool:
    others = {position for position, colour in look.items() if colour != usual[position]}
    return not others.isdisjoint(people) or 2 * len(others) >= len(look)


def _are_stripes(marks: Sequence[bool]) -> bool:
    """Tell whether marked and other rows take turns in equal numbers."""
    bands = [(is_marked, sum(1 for _ in rows)) for is_marked, rows in groupby(marks)]
    inner = {mark: {length for each, length in bands[1:-1] if each is mark} for mark in (True, False)}
    first, last = bands[0], bands[-1]
    return (
        sum(is_marked for is_marked, _ in bands) >= _LEAST_BANDS
        and all(len(lengths) == 1 for lengths in inner.values())
        and all(length <= max(inner[mark]) for mark, length in (first, last))
    )
