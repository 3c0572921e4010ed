"""Finds columns of answers by their cells, whatever their names are: yes and no, active and inactive, or crosses.

Such a column may say who wants no messages, or something else. Only a person knows.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from campaigns.domain.optout.recognition import read_words
from campaigns.domain.text.normal import fold, is_blank, split_words

_MOST_VALUES = 12  # a column with more different cells has no answers
_LEAST_PART = 0.5  # of the cells with a text are answers; a status has other words as well
_SHOWN_VALUES = 5

_MARKS = read_words("1,s,si,sim,true,v,verdadeiro,verdadero,x,y,yes")
_MARK_SIGNS = frozenset("✓✔✅☑✗✘✖")
_YES = read_words(
    "accepted,aceita,aceito,aceitou,active,activo,activa,allowed,ativo,ativa,autorizado,autorizada,enabled,"
    "inscrito,inscrita,liberado,liberada,ok,on,opt in,opted in,optin,subscribed"
)
_NO = read_words(
    "0,baja,blocked,bloqueado,bloqueada,bounced,cancelado,cancelada,canceled,cancelled,declined,denied,desativado,"
    "desativada,descadastrado,descadastrada,disabled,excluido,excluida,false,falso,inactive,inactivo,inactiva,inativo,"
    "inativa,n,nao,never,no,nunca,off,opt out,opted out,optout,recusado,recusada,removed,removido,removida,revogado,"
    "revogada,saiu,suspended,suspenso,suspensa,unsubscribed"
)
_NO_SIGNS = frozenset("❌🚫⛔👎")
# Answers that decide nothing yet, in a column of any answers.
_UNDECIDED = re.compile(
    r"(pendente|pendiente|pending|tb[acd]|unknown|unsure|undecided|unclear|desconhecid[ao]|desconocid[ao]|indefinid[ao]|"
    r"aguardando|esperando|awaiting|waiting( for)?|em (analise|aberto|espera)|en (analisis|espera)|a confirmar|"
    r"por confirmar|to be confirmed|to confirm|to ask|a perguntar|perguntar|no (reply|answer|response)|"
    r"sem (resposta|retorno)|sin respuesta|nao sabe)( .*)?"
)
# Words in the name of a column in which a yes says that the person wants no messages.
_REVERSING = _NO - {"0", "n", "nao", "no"} | read_words(
    "apagar,bloquear,bounce,cancelar,dead,delete,deletar,devolvido,exclude,excluir,ignorar,inadimplente,invalid,invalido,"
    "pular,remove,remover,retirar,skip,spam,stop,suppress,suppressed"
)
# Words in the name of a column that is certainly about something else.
_OTHER_FACTS = read_words(
    "aposentado,attended,birthday,casada,casado,children,comprou,compareceu,count,delivered,dependentes,employee,"
    "entregue,estudante,exempt,fidelidade,filho,filhos,fumante,funcionario,garantia,idade,kids,loyalty,married,member,"
    "nota,number,numero,paga,pagou,pago,paid,parcelas,pet,pets,plus,pontos,premium,presenca,presente,qtd,qtde,"
    "quantidade,quitado,quitou,quantity,retired,returning,sexo,shipped,smoker,socia,socio,student,tamanho,tax,total,"
    "turno,vegano,vegetariano,verified,vip"
)


class Note(NamedTuple):
    """A cell that may be a refusal. `phone`: the phone of its row; None if other rows of the person count."""

    row_number: int
    phone: str | None
    text: str


class _Kind(Enum):
    YES = auto()
    MARK = auto()  # a yes that people also leave out in place of a no
    NO = auto()
    BLANK = auto()
    UNDECIDED = auto()  # "pending"
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Answers:
    """The rows that a column of answers sets apart. `values`: their different cells; [] if they have no mark."""

    row_count: int
    first_row: int
    values: list[str]


@dataclass(slots=True)
class _Cell:
    """The rows with one text in a column. `phones`: their phones, if the text may be a refusal."""

    kind: _Kind
    count: int = 0
    rows: array[int] | None = None
    phones: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Column:
    is_reversed: bool
    cells: dict[str, _Cell] = field(default_factory=dict)

    def open(self, text: str) -> _Cell:
        """Add a text that the column did not have before."""
        kind = _read_kind(text)
        keeps = kind in {_Kind.BLANK, _Kind.UNDECIDED, _Kind.OTHER} or self.is_told(kind)
        cell = self.cells[text] = _Cell(kind, rows=array("I") if keeps else None)
        return cell

    def _count(self) -> Counter[_Kind] | None:
        """Return the number of cells by their kind; None if most texts are no answers."""
        counts = Counter[_Kind]()
        for cell in self.cells.values():
            counts[cell.kind] += cell.count
        answers = counts[_Kind.YES] + counts[_Kind.MARK] + counts[_Kind.NO]
        others = counts[_Kind.UNDECIDED] + counts[_Kind.OTHER]
        return counts if answers and answers >= _LEAST_PART * (answers + others) else None

    def find(self) -> list[Note]:
        """Return the cells that may be refusals: the no, or the yes of a reversed column, or the lack of a mark."""
        counts = self._count()
        if counts is None:
            return []
        told = [
            Note(row_number, phone, text)
            for text, cell in self.cells.items()
            if cell.rows is not None and self.is_told(cell.kind)
            for row_number, phone in zip(cell.rows, cell.phones, strict=True)
        ]
        others = counts[_Kind.YES] + counts[_Kind.UNDECIDED] + counts[_Kind.OTHER]
        if not told and not self.is_reversed and counts[_Kind.MARK] and not others:
            blank = [cell.rows for cell in self.cells.values() if cell.kind is _Kind.BLANK and cell.rows is not None]
            told = [Note(row_number, None, "") for rows in blank for row_number in rows]
        return sorted(told)

    def find_undecided(self) -> list[tuple[int, str]]:
        """Return the cells that are neither a yes nor a no, with their rows.

        If the column refuses nobody, it may be about anything. Then only words such as "pending" count.
        """
        counts = self._count()
        if counts is None:
            return []
        kinds = {_Kind.UNDECIDED, _Kind.OTHER} if any(map(self.is_told, +counts)) else {_Kind.UNDECIDED}
        return sorted(
            (row_number, " ".join(text.split()))
            for text, cell in self.cells.items()
            if cell.kind in kinds and cell.rows is not None and not any(map(str.isdigit, text))
            for row_number in cell.rows
        )

    def is_told(self, kind: _Kind) -> bool:
        """Tell whether such a cell is a refusal, if the column is about messages."""
        return kind in {_Kind.YES, _Kind.MARK} if self.is_reversed else kind is _Kind.NO


class AnswerColumns:
    """Collects the answers of columns. `columns`: their positions, their names, and whether a yes is a refusal."""

    def __init__(self, columns: Iterable[tuple[int, str, bool]]) -> None:
        self._columns = {
            position: _Column(is_reversed=is_reversed or not _REVERSING.isdisjoint(split_words(name)))
            for position, name, is_reversed in columns
            if name and _OTHER_FACTS.isdisjoint(split_words(name))
        }
        self._ended: list[int] = []

    def add(self, row_number: int, cells: Sequence[str], phone: str, *, is_unanswered: bool) -> None:
        """Add a row that has no refusal. A column that has no answers costs nothing after its first rows.

        `is_unanswered`: the row counts already as one without an answer.
        """
        for position, column in self._columns.items():
            text = cells[position] if position < len(cells) else ""
            cell = column.cells.get(text)
            if cell is None:
                if len(column.cells) == _MOST_VALUES:
                    self._ended.append(position)
                    continue
                cell = column.open(text)
            cell.count += 1
            if cell.rows is None or (is_unanswered and cell.kind in {_Kind.UNDECIDED, _Kind.OTHER}):
                continue
            cell.rows.append(row_number)
            if column.is_told(cell.kind):
                cell.phones.append(phone)
        while self._ended:
            del self._columns[self._ended.pop()]

    def find(self) -> dict[int, list[Note]]:
        """Return the cells that may be refusals, by the position of their column."""
        found = {position: column.find() for position, column in self._columns.items()}
        return {position: notes for position, notes in found.items() if notes}

    def find_undecided(self) -> dict[int, list[tuple[int, str]]]:
        """Return the cells of columns of answers that are neither a yes nor a no, by the position of their column."""
        found = {position: column.find_undecided() for position, column in self._columns.items()}
        return {position: cells for position, cells in found.items() if cells}


def describe(notes: Sequence[Note]) -> Answers:
    values = dict.fromkeys(note.text.strip() for note in notes if note.text)
    return Answers(len(notes), notes[0].row_number, [*values][:_SHOWN_VALUES])


def _read_kind(cell: str) -> _Kind:
    if is_blank(cell):
        return _Kind.BLANK
    words = fold(cell)
    if words in _NO or (not words and _NO_SIGNS & {*cell}):
        return _Kind.NO
    if words in _MARKS or (not words and _MARK_SIGNS & {*cell}):
        return _Kind.MARK
    if words in _YES:
        return _Kind.YES
    return _Kind.UNDECIDED if is_undecided(words) else _Kind.OTHER


def is_undecided(words: str) -> bool:
    """Tell whether a folded answer decides nothing yet, such as "pending"."""
    return _UNDECIDED.fullmatch(words) is not None


def is_yes_or_no(cell: str) -> bool:
    """Tell whether a cell is a short answer in any column of answers."""
    return _read_kind(cell) in {_Kind.YES, _Kind.MARK, _Kind.NO}
