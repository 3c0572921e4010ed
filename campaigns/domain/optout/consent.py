"""Recognises the cells of a list that say that a person wants no messages, such as a "não" in the column "aceita"."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from functools import lru_cache
from itertools import pairwise

from campaigns.domain.optout.answers import AnswerColumns, Answers, Note, describe, is_undecided, is_yes_or_no
from campaigns.domain.optout.recognition import StopRules, read_words
from campaigns.domain.text.missing import is_null
from campaigns.domain.text.normal import fold, is_blank, split_words, standardize

# One to three words in the name of a column in which "no" means that the person wants no messages.
_AGREEING = read_words(
    "accept,accepted,accepts,acepta,acepto,aceita,aceitacao,aceitaram,aceite,aceito,aceitou,agree,agreed,agrees,"
    "autoriza,autorizacao,autorizacion,autorizado,autorizada,autorizo,autorizou,concorda,concordou,consent,consente,"
    "consented,consentimento,consentimiento,consentiu,gdpr,lgpd,optin,opt in,permissao,permissoes,permission,permite,"
    "permitido,permitiu,subscribed,deseja receber,quer receber,pode receber,desea recibir,quiere recibir,"
    "receber mensagens,receber ofertas,receber promocoes,receber novidades,recibir mensajes,recebe mensagens,contactar,"
    "contatar,disparar,enviar,inscrita,inscrito,mailing,mandar,marketing,newsletter,newsletters,recebe,send,subscriber,"
    "suscripto,suscrita,suscrito,rgpd,can we contact,may we contact,can we message,may we message,can we text,"
    "may we text,ok to contact,ok to message,ok to text,happy to hear,like to hear,want to hear,allow contact,"
    "allow messages,receive messages,receive offers,receive texts,receive updates,podemos escribir,podemos escrever,"
    "contact ok,contactable,be contacted,opted in"
)
# Words and pairs of words in the name of a column in which any answer but "no" means that the person wants no messages.
_REFUSING = read_words(
    "blacklist,bloqueado,bloqueada,descadastrado,descadastrada,descadastro,descadastrou,dnc,optout,recusa,"
    "recusado,recusou,unsubscribe,unsubscribed,opt out,nao perturbe,nao perturbar,nao enviar,nao envia,nao contatar,"
    "nao contactar,nao aceita,nao autoriza,nao receber,nao recebe,nao quer,nao mandar,no contactar,no molestar,"
    "no enviar,no marketing,no mensajes,no messages,no newsletter,sem marketing,opted out,"
    "not call,not email,not mail,not phone,no call,no calls,no email,nao ligar,no llamar,"
    "not contact,not disturb,not message,not send,not text,no contact,no escribir,no texts,lista negra"
)
# Words and pairs of words in the name of a column in which a yes or a date means that the person gets no messages.
# Another answer says something else: "Falecido" may have the name of a relative.
_MARKING = read_words(
    "blocked,deceased,falecida,falecido,faleceu,fallecida,fallecido,gone away,objected,objection,obito,remove,"
    "removed,removida,removido,suppressed,suppression,withdrawn"
)
_DATED = re.compile(r"\b[0-9]{1,4}[/.-][0-9]{1,2}\b")
# Words for other channels and subjects. A consent to them says nothing about messages of WhatsApp.
_OTHER_SUBJECTS = read_words("boleto,boletos,cartao,email,ligacao,ligacoes,mail,pix,sms,telefonema,troca,trocas")
_OTHER_CHANNELS = read_words("email,ligacao,ligacoes,mail,sms,telefonema")
_OUR_SUBJECTS = read_words("mensagem,mensagens,message,messages,whats,whatsapp,wpp,zap")
# Words and pairs of words in the name of a column in which "no" and "none" mean that the person gets no messages of
# WhatsApp.
_CHANNEL = read_words(
    "comms,texts,texting,whats,whatsapp,wpp,zap,canal contato,canal preferido,canal preferencia,contact preference,"
    "contato preferido,contacto preferido,forma contato,meio contato,preferencia canal,preferencia contato,"
    "preferencia contacto,preferred channel,preferred contact"
)
_SMALL_WORDS = frozenset({"da", "de", "do", "of"})
# The names of columns with the names of people have one of the first words, and no other words than these.
_PEOPLE = read_words("aluno,cliente,client,contato,customer,name,nombre,nome,paciente,responsavel")
_PEOPLE_WITH = _PEOPLE | _SMALL_WORDS | read_words("completo,first,full,primeiro,social,sobrenome")

_PLAIN_NO = read_words("n,no,nao,non,nein,false,falso,f,off")
_NONE = read_words("nada,nenhum,nenhuma,nenhum canal,nenhum contato,ninguna,ninguno,none")
_NO = _PLAIN_NO | read_words(
    "nope,never,nunca,jamais,negado,negada,negou,nega,denied,declined,rejected,refused,revogado,revogada,revogou,"
    "recusado,recusada,recusou,recusa,descadastrado,descadastrada,descadastrou,unsubscribed,optout,opt out,cancelado,"
    "cancelou,bloqueado,bloqueada,sem consentimento,sem autorizacao,sem permissao,blocked,expired,lapsed,removed,"
    "suppressed,sin autorizacion,sin consentimiento,sin permiso"
)
# A longer answer that begins with one of these words is a no. "no" is not one of them: "no site" is "on the site".
_NO_STARTS = read_words(
    "nao,not,nunca,jamais,recusou,recusado,recusada,negou,negado,revogou,revogado,descadastrou,declined,denied,"
    "denegado,objected,objects,opos,rechazado,rechazo,refused,rejected,retirada,retirado,retirou,revocado,revoked,"
    "unsubscribed,withdrawn,withdrew"
)
_NO_PHRASE = re.compile(
    r"no (acepta|acepto|autoriza|autorizo|quiere|quiero|permite|desea|deseo|consent|longer|thanks|gracias|marketing)"
    r"\b.*|se (opone|opos|opuso)\b.*"
)
_UNKNOWN = re.compile(
    r"nao (informad|const|preenchid|definid|se aplica|sei|respond|ha dado).*|(talvez|maybe|quiza|quizas|tal vez)\b.*"
)
_ZERO = re.compile(r"0+([.,]0+)?")
_PLAIN_YES = read_words("1,on,s,v,x,y")
_SPOKEN_YES = read_words("claro,com certeza,da,ja,of course,por supuesto,sure,yeah,yep")
# A longer answer that begins with one of these words is a yes.
_YES_STARTS = read_words(
    "accept,accepted,acepta,acepto,aceita,aceito,aceitou,agree,agreed,autoriza,autorizado,autorizo,autorizou,concordo,"
    "concedida,concedido,concordou,confirmado,consentiu,given,granted,inscrita,inscrito,ok,optin,oui,permitido,"
    "permitiu,si,sim,subscribed,suscrita,suscrito,true,verdadeiro,verdadero,yes"
)
_NO_SIGNS = frozenset("❌✗✘✖✕☐👎🚫⛔")
_YES_SIGNS = frozenset("✓✔✅☑")
# Whole cells by which a column of any name says that the person wants no messages.
_REFUSALS = read_words(
    "blacklist,blacklisted,dado de baja,descadastrada,descadastrado,descadastramento,descadastrar,descadastro,"
    "descadastrou,desinscrita,desinscrito,desinscreveu,dnc,do not call,do not contact,do not disturb,do not message,"
    "do not send,do not text,lista negra,nao aceita,nao aceita mensagens,nao autoriza,nao contactar,nao contatar,"
    "nao deseja,nao enviar,nao envie,nao incomodar,nao mandar,nao mande,nao perturbar,nao perturbe,nao quer,"
    "nao quer mais,nao quer receber,nao quis,nao receber,no acepta,no autoriza,no contactar,no desea,no enviar,"
    "no marketing,no molestar,no quiere,nunca enviar,opt out,opted out,optedout,optou por sair,optout,sem autorizacao,"
    "sem consentimento,sem permissao,unsub,unsubscribe,unsubscribed"
)
# Whole cells that may be about something else, such as an order. They count only in a column that fills no variable
# and whose name has none of the subjects below.
_UNCLEAR_REFUSALS = read_words(
    "baja,blocked,bloqueada,bloqueado,bloqueou,cancelada,cancelado,cancelar,canceled,cancelled,cancelou,excluida,"
    "excluido,excluir,negado,nao autorizado,parar,pare,quer sair,recusada,recusado,recusou,remover,removida,"
    "removido,revogada,revogado,revogou,sair,saiu,salio,stop,"
    "gone away,nao usar,objected,removed,suppressed,tps,withdrawn,deceased,falecida,falecido,faleceu,fallecida,"
    "fallecido,obito,bloquear,delete,engano,mandar nao,nao obrigada,nao obrigado,nao tem interesse,"
    "nao tem mais interesse,no gracias,no interest,no thanks,no tiene interes,not interested,not interested any more,"
    "not interested anymore,off list,remove,sem interesse,ya no quiere"
)
_SUBJECTS = read_words(
    "agendamento,assinatura,boleto,cartao,carrinho,cirurgia,cobranca,compra,consulta,contrato,credito,emprestimo,"
    "entrega,envio,evento,exame,fatura,frete,invoice,matricula,nota,order,pagamento,payment,pedido,plano,proposta,"
    "reserva,servico,shipping,ticket,transacao,venda,viagem,visita,voo"
)
_MESSAGES = (
    r"(receb|recib|receive|get |mensage|mensaje|message|msg|contat|contact|oferta|promo|propaganda|publicidad|"
    r"marketing|novidades|newsletter|text(s|ing| messages)|whats|zap|nada|ser (incomod|perturb|importun)|"
    r"que (a gente |nos )?(mande|envie))"
)
_BETWEEN = (
    r"( (a|any|as|be|com|da|das|de|do|ela|ele|from|her|him|la|mais|mas|me|meu|more|name|nossa|o|os|our|para|pelo|por|"
    r"pra|seu|that|p|the|them|to|toda|todas|us|we))*"
)
_NOT = r"(didnt|dont|doesnt|n|nao|never|no|no longer|not|nunca)( mais)?"
_WANTS = r"(acepta|aceita|autoriza|desea|deseja|gosta|permite|quer|quero|quiere|quis|want|wants|wish)"
_CHANNEL_WORDS = (
    r"(whats\w*|wpp|zap|msgs?|messages?|mensage\w+|mensaje\w*|texts?|promos?|promoc\w+|promotions?|marketing)"
)
_POLITE_END = r"( (please|pls|thanks|por favor|only|so|solo|somente|apenas|obrigad\w)\b.*)?"
_ASKED = r"(asked|asks|deseja|pede|pediu|pidio|quer|quiere|quis|requested|solicita|solicito|solicitou|wants)"
_OUT = (
    r"(baja|descadastr|desinscr|erasure|exclusao|(que )?(nao|not) ((be|me|nos|ser|to) )*(contact|contat|escrev|messag|"
    r"receb|text)|(que )?no ((la|le|lo|nos|ser) )*(contacta|contacte|escrib)|opt(ar por sair|ing out|out| out)|"
    r"parar de receber|removal|removed|remocao|remover|sair|ser (excluid|removid|retirad)|stop|taken off|unsubscribe)"
)
# Notes by which a person wants no messages, also within a longer text. They count in a column that fills no variable.
_NOTES = (
    f"{_NOT} {_WANTS}{_BETWEEN} {_MESSAGES}",
    f"{_NOT} (enviar|enviem|envie|mandar|mandem|mande){_BETWEEN} {_MESSAGES}",
    rf"{_NOT}( me)? ((contact|contactar|contatar|contate|contatem|disturb|message)\b|incomod|molest|perturb)",
    r"(dont|never|not) (msg|text|whatsapp)\b",
    rf"^((please|pls) )?(no|sem|sin)( (mais|mas|more))? {_CHANNEL_WORDS}( {_CHANNEL_WORDS})?{_POLITE_END}$",
    rf"{_NOT} (usar|use)( (o|the))? (whats|wpp|zap)|nem (enviar|mandar)( {_CHANNEL_WORDS})?$",
    r"^nao chamar( mais)?( (no|pelo) (whats|wpp|zap).*)?$|(detesta|hates|odeia)( o)? (mensage|messages|whats|wpp|zap)",
    r"off( (mailing|our|the|this|your))+ list\b|fora (da|de la) lista",
    r"(bad|incorrect|wrong) (no|num|number|person|phone)\b(?! of)|not (her|his|their) (number|phone)\b",
    r"(celular|contato|fone|numero|pessoa|tel|telefone|telefono|whats\w*|zap)( esta)? (equivocad|errad|incorre(c?t))",
    r"(celular|numero|telefone|telefono) de (outra pessoa|otra persona)|nao e ((essa|esta|a) pessoa|(dele|dela)$)",
    r"(object(ed|ion|s)?|oposic(ao|ion)|se op(one|os|uso)) (ao?( envio de)?|to) ((being|direct) )?(conta|mark|messag)",
    r"(stop|stopped|cease) (contact|messag|send|text)ing",
    r"(retir|revog|revoc|withdr)\w*( (o|el|her|his|su|the|their))? (consent|permis)",
    r"(take|taken|took)( (him|her|me|my|name|out|them|this|us))* (off|out of)( (our|the|this|your))* (list|mailing)",
    r"(take|taken|took) (her|him|me|my|name|them)( name)? off\b",
    f"{_ASKED}{_BETWEEN} ({_OUT}|tirar$)",
    rf"(exclu|remov|retir|saia|sair|saiu|tirar|tire)\w*{_BETWEEN} (disparo|grupo|list|mailing|newsletter|whats)",
    r"(cadastro|consentimento|inscricao|permissao|subscription|suscripcion) (cancel|exclu|negad|removid|revogad)",
    r"descadastr|desinscr|unsubscrib|opt(ed)? ?out\b|(dado|dada|dar|darse) de baja|lista negra|blacklist",
    r"cancel\w*( (a|la|the|your|my|o))? (cadastro|inscricao|newsletter|subscription|suscripcion)",
    rf"(complain(ed|s|t)?|reclam(ou|a|o)|se quejo)( (about|of|to|da|das|de|do|dos|sobre|us))*{_BETWEEN} {_MESSAGES}",
    r"leave( (her|him|it|me|them))? alone",
    r"(bloqueou|denunciou) (a empresa|a gente|a loja|nosso|o contato|o numero)",
    r"(so|solo|somente|apenas|only)( (by|por|pelo|via))? (carta|correo|e ?mail|ligacao|phone|sms|telefone|telefono)$",
    r"^(carta|correo|e ?mails?|letter|phone|post|sms|telefone|telefono) (apenas|only|solamente|somente)$",
)
_NOTE = re.compile(rf"\b({'|'.join(_NOTES)})")
# A refusal beside other words, such as "Davi (NÃO ENVIAR)": it is set apart by signs, or it ends a short text.
_APART = re.compile(r"[][(){}*_~|;<>\"\u201c\u201d]+|(?:^|\s)[-\u2013\u2014]+|[-\u2013\u2014]+(?:\s|$)")
_ORDER = (
    rf"\b{_NOT}( me)? (contact|contactar|contatar|disturb|enviar|envie|incomodar|mandar|mande|message|molestar|"
    "perturbar|perturbe|send{more})"
)
_ENDS_WITH_ORDER = re.compile(_ORDER.format(more="") + r"( mais| nada)?$")
_NAME_WITH_ORDER = re.compile(_ORDER.format(more="|call|ligar|llamar|usar|use") + r"\b")
_MOST_BESIDE = 8  # the words of a short text
# What a colleague notes about a person; the person's own words are in `phrases.py`.
_NO_INTEREST = re.compile(r"\b(nao (ha|tem|teve)( mais)? interesse|no tiene interes|not interested|sem interesse)\b")
# Words beside a refusal that only say when it was, or that are polite.
_ASIDE = frozenset({"dia", "el", "em", "en", "hoje", "hoy", "on", "ontem", "favor", "please", "pls", "por", "thanks"})
# Each refusal has one of these beginnings of words. This search is quick, and nearly all cells have none of them.
_HINTS = re.compile(
    r"(?<![^\W_])(?:apenas|bad |baja|delete|detesta|didn.?t|engano|equivoc|fora |hates|incorre|odeia|off |sin |wrong|"
    r"baja|blackl|bloc|bloq|cancel|cease|complain|contact|contat|deceas|descad|deseja|desinscr|disturb|"
    r"dnc|doesn.?t|don.?t|erasure|errad|exclu|fal+ec|gone|incomod|interess|leave|lista|mand|marketing|mensag|"
    r"messag|molest|"
    r"n[aã]o |[nñ] |negad|nenhum|never|ningun|no |none|not |nunca|[oó]bito|object|only|opone|opos|opt|opus|parar|pare|"
    r"perturb|quej|quer|reclam|recus|remo|retir|revo[gc]|sai|sali|sem |s[oó] |sol?o |somente|stop|suppress|"
    r"take|tira|tire|took|"
    r"tps|unsub|withdr)"
)
# Headings above people who want no messages, beside the refusals of a single person in the plural.
_HEADINGS = read_words(
    "leavers,left,nao querem,nao querem mais,nao querem receber,no quieren,opted out,sairam,salieron"
)
_LATIN = re.compile("[\x00-\x7f\xa0-\xac\xae-\xff]*")  # without the invisible hyphen
_LONGEST_NOTE = 1_000
_MOST_NOTES = 5_000  # the notes of a column that are kept, because they may be refusals
_SHOWN_ROWS = 3  # of each word that is no answer
_MOST_SEEN = 1_000  # the first different notes of a column that are kept
_MOST_WORDS = 100_000  # the number of harmless words that are kept; the other words of a list are searched again
_STOP_RULES = StopRules()
_NOTHING = read_words("nenhum,nenhuma,none,null,vazio,ativo,ativa,active")


class RefusalChoice(StrEnum):
    """What happens to rows that say that the person wants no messages, or that lack an answer."""

    REFUSE = "refuse"  # a list with such rows is refused
    INCLUDE = "include"  # these rows are read like all others
    SKIP = "skip"  # these rows are rejected


@dataclass(slots=True)
class Refusals:
    """The rows found so far that say that the person wants no messages, or that do not say whether the person wants
    messages, and the names of the columns that say so.

    `people`: the recipient keys of the rows that say no. `others`: by column with notes that say no, other notes with
    the first row of each. `answers`: the columns that have answers, such as yes and no, and whose names do not tell
    what they are about. Some of the rows or all are from these columns. `words`: by text of the cells that
    are no answer, the number of their rows, and the first rows; "" for the empty cells.
    """

    row_count: int = 0
    first_row: int = 0
    columns: list[str] = field(default_factory=list)
    people: set[str] = field(default_factory=set, repr=False)
    others: dict[str, list[tuple[int, str]]] = field(default_factory=dict, repr=False)
    answers: dict[str, Answers] = field(default_factory=dict)
    words: dict[str, tuple[int, list[int]]] = field(default_factory=dict)

    def add_unanswered(self, row_number: int, cells: Mapping[str, str]) -> None:
        """Add a row without an answer. `cells`: its cells without an answer, by the name of the column."""
        self.add(row_number, [*cells])
        for word in dict.fromkeys(cells.values()):
            count, rows = self.words.get(word, (0, []))
            if rows or len(self.words) < _MOST_NOTES:
                self.words[word] = (count + 1, rows if len(rows) == _SHOWN_ROWS else [*rows, row_number])

    def add(self, row_number: int, columns: Sequence[str], key: str | None = None) -> None:
        self.row_count += 1
        self.first_row = min(self.first_row or row_number, row_number)
        if key is not None:
            self.people.add(key)
        self.columns += [column for column in columns if column not in self.columns]


class _Kind(Enum):
    """What a cell of a column says, by the name of the column."""

    CONSENT = auto()  # "no" means that the person wants no messages
    REFUSAL = auto()  # any answer but "no" means that the person wants no messages
    MARK = auto()  # a yes or a date means that the person gets no messages
    CHANNEL = auto()  # the column may say who has WhatsApp; a plain "no" means that the person gets no messages there
    VALUE = auto()  # the cell is a value of the message, or is about another subject; only a clear refusal counts
    NOTE = auto()  # all refusals count, also within a longer text
    NAME = auto()  # the names of people; all refusals count, because no name has their words
    NOTHING = auto()  # the column is about another channel, such as e-mail


# The kinds whose cells are answers to the name of the column, and the kinds whose refusals have one of `_HINTS`.
_ANSWERS = frozenset({_Kind.CONSENT, _Kind.REFUSAL, _Kind.MARK, _Kind.CHANNEL})
_TEXTS = frozenset({_Kind.VALUE, _Kind.NOTE, _Kind.NAME})


class ConsentColumns:
    """The columns of a list that may say that people want no messages.

    `chosen`: the column of the consent that a person named, or None. `variables`: the columns that fill variables.
    `unrelated`: the columns that say nothing about messages, as a person has decided. The other columns are recognised
    by their names. `first_rows`: the first rows of the list. `is_export`: the list is an export of a campaign. Somebody
    has decided about its people before, so an empty cell is no missing answer.
    """

    def __init__(
        self,
        names: Sequence[str],
        chosen: int | None,
        *,
        variables: Collection[int] = (),
        unrelated: AbstractSet[int] = frozenset(),
        first_rows: Sequence[Sequence[str]] = (),
        is_export: bool = False,
    ) -> None:
        self._names = names
        self._harmless: set[str] = set()
        kinds = [
            (position, _find_kind(name, is_chosen=position == chosen, is_value=position in variables))
            for position, name in enumerate(names)
            if position not in unrelated
        ]
        self._says = [(position, _SAYS[kind]) for position, kind in kinds if kind is not _Kind.NOTHING]
        self._answers = [(position, _SAYS[kind]) for position, kind in kinds if kind in _ANSWERS]
        self._texts = [position for position, kind in kinds if kind in _TEXTS]
        self._notes: dict[int, list[Note]] = {position: [] for position, kind in kinds if kind is _Kind.NOTE}
        self._seen: dict[int, dict[str, int]] = {position: {} for position in self._notes}
        self._answer_columns = AnswerColumns(
            (position, names[position], _refuses(names[position]))
            for position, kind in kinds
            if position != chosen
            and position not in variables
            and (kind is _Kind.NOTE or (kind is _Kind.NOTHING and _asks(names[position])))
        )
        consents = [] if is_export else [position for position, kind in kinds if kind is _Kind.CONSENT]
        # Beside a column of answers, a column such as "data do aceite" only says more about the same answer.
        self._consents = [each for each in consents if _has_answers(first_rows, each)] or consents
        channels = [position for position, kind in kinds if kind is _Kind.CHANNEL]
        self._decided = {
            each
            for each in [*self._consents, *([] if is_export else channels)]
            if _are_mostly_answers(first_rows, each)
        }

    def find_refusal(self, cells: Sequence[str]) -> str | None:
        """Return the name of the first column in which a row says that the person wants no messages, or None."""
        for position, says_refusal in self._says if self._may_refuse(cells) else self._answers:
            cell = cells[position] if position < len(cells) else ""
            if not is_blank(cell) and says_refusal(cell):
                return self._names[position]
        return None

    def keep_notes(self, row_number: int, cells: Sequence[str], phone: str, *, is_unanswered: bool = False) -> None:
        """Keep the notes and the answers of a row without a refusal, until all rows are read.

        `is_unanswered`: the row counts already as one without an answer.
        """
        self._answer_columns.add(row_number, cells, phone, is_unanswered=is_unanswered)
        if not self._seen:
            return
        may_refuse = self._may_refuse(cells)
        for position, seen in self._seen.items():
            cell = cells[position] if position < len(cells) else ""
            if is_blank(cell):
                continue
            if len(seen) < _MOST_SEEN:
                seen.setdefault(" ".join(cell.split()), row_number)
            notes = self._notes[position]
            if may_refuse and len(notes) < _MOST_NOTES and _may_refuse(cell):
                notes.append(Note(row_number, phone, cell))

    def find_late_refusals(self, columns: Collection[str]) -> dict[int, tuple[str, Note]]:
        """Return the kept notes and answers that may be refusals, by row, with the name of the column.

        Only the columns in which other notes are refusals count. In another column, such a note may be about an order.
        A column of answers counts by itself.
        """
        answers = {
            note.row_number: (self._names[position], note)
            for position, notes in self._answer_columns.find().items()
            for note in notes
        }
        return answers | {
            note.row_number: (self._names[position], note)
            for position, notes in self._notes.items()
            if self._names[position] in columns
            for note in notes
            if _may_be_refusal(note.text)
        }

    def list_answers(self) -> dict[str, Answers]:
        """Return the columns whose answers may be refusals, by name, with these answers."""
        return {self._names[position]: describe(notes) for position, notes in self._answer_columns.find().items()}

    def list_others(self, columns: Collection[str]) -> dict[str, list[tuple[int, str]]]:
        """Return the first notes of these columns that are no refusals, with the first row of each."""
        return {
            self._names[position]: [
                (row, text)
                for text, row in seen.items()
                if fold(text) not in _NOTHING and not is_yes_or_no(text) and not _may_be_refusal(text)
            ]
            for position, seen in self._seen.items()
            if self._names[position] in columns
        }

    def find_unanswered(self, cells: Sequence[str]) -> dict[str, str]:
        """Return the cells of a row that are no answer, by the names of the columns of consents.

        If a column of consents has a yes or a no in the first rows, only such columns count. If most texts of a column
        are a yes or a no, every other text is no answer. A row of a list without a column of consents lacks no answer.
        """
        found = {}
        for position in {*self._consents, *self._decided}:
            cell = cells[position] if position < len(cells) else ""
            lacks = position in self._consents and lacks_answer(cell)
            if lacks or (position in self._decided and not is_blank(cell) and not _decides(cell)):
                found[self._names[position]] = " ".join(cell.split())
        return found

    def find_late_unanswered(self) -> dict[int, dict[str, str]]:
        """Return the kept cells of columns of answers that are neither a yes nor a no, by row and by name of column."""
        found: dict[int, dict[str, str]] = {}
        for position, cells in self._answer_columns.find_undecided().items():
            for row_number, text in cells:
                found.setdefault(row_number, {})[self._names[position]] = text
        return found

    def _may_refuse(self, cells: Sequence[str]) -> bool:
        """Tell whether a column of texts has a word that begins like a refusal.

        Most words of a list come again and again, so each word is searched once.
        """
        words = " ".join([cells[position] for position in self._texts if position < len(cells)]).lower().split()
        if self._harmless.issuperset(words):
            return False
        new = set(words) - self._harmless
        if any(map(_has_hint, new)):
            return True
        if len(self._harmless) < _MOST_WORDS:
            self._harmless |= new
        return False


def lacks_answer(text: str) -> bool:
    """Tell whether a cell of a column of consents has no answer: it is empty, a dash, NULL, or says "not informed"."""
    if is_blank(text):
        return True
    words = fold(text)
    if not words:
        return not (_NO_SIGNS | _YES_SIGNS) & set(text)
    return is_null(text.strip()) or _UNKNOWN.fullmatch(words) is not None or is_undecided(words)


@lru_cache(10_000)
def _decides(text: str) -> bool:
    """Tell whether a cell of a column of answers is a yes, a no, or the date of a consent."""
    return (
        _says_yes(text)
        or says_no(text)
        or is_yes_or_no(text)
        or fold(text) in _SPOKEN_YES
        or _DATED.search(text) is not None
    )


def _are_mostly_answers(rows: Sequence[Sequence[str]], position: int) -> bool:
    """Tell whether more than half of the texts of a column are answers, by the rows given."""
    texts = [row[position] for row in rows if position < len(row) and not is_blank(row[position])]
    answers = sum(_says_yes(text) or says_no(text) or is_yes_or_no(text) for text in texts)
    return answers * 2 > len(texts)


def _has_answers(rows: Sequence[Sequence[str]], position: int) -> bool:
    """Tell whether a column has a yes or a no in one of the rows."""
    return any(_says_yes(row[position]) or says_no(row[position]) for row in rows if position < len(row))


def _says_yes(text: str) -> bool:
    words = fold(text)
    return bool(_YES_SIGNS & set(text)) or words in _PLAIN_YES or words.partition(" ")[0] in _YES_STARTS


@lru_cache(10_000)
def says_no(text: str) -> bool:
    """Tell whether an answer to the question for a consent is a no."""
    words = fold(text)
    if not words:
        return bool(_NO_SIGNS & set(text))
    if words in _NO or _is_zero(text) or _NO_PHRASE.fullmatch(words):
        return True
    return (words.split()[0] in _NO_STARTS and not _UNKNOWN.fullmatch(words)) or _has_note(text)


@lru_cache(10_000)
def _confirms_refusal(text: str) -> bool:
    """Tell whether a cell of a column such as "opt-out" has an answer other than no. A date is such an answer."""
    words = fold(text)
    if not words:
        return bool(_YES_SIGNS & set(text))
    return words not in _PLAIN_NO | _NOTHING and not _is_zero(text) and not _UNKNOWN.fullmatch(words)


def _is_zero(text: str) -> bool:
    return _ZERO.fullmatch(standardize(text)) is not None


def _list_terms(name: str) -> set[str]:
    """Return the words in the name of a column, and the pairs and triples of words."""
    words = split_words(name)
    large = [word for word in words if word not in _SMALL_WORDS]
    triples = zip(words, words[1:], words[2:], strict=False)
    return {*words, *map(" ".join, (*pairwise(words), *pairwise(large), *triples))}


def _refuses(name: str) -> bool:
    return not _REFUSING.isdisjoint(_list_terms(name))


def _asks(name: str) -> bool:
    """Tell whether the name of a column is about messages of another channel, such as "SMS opt-in"."""
    terms = _list_terms(name)
    return not _OTHER_CHANNELS.isdisjoint(terms) and not (_AGREEING | _REFUSING).isdisjoint(terms)


def _find_kind(name: str, *, is_chosen: bool, is_value: bool) -> _Kind:
    terms = _list_terms(name)
    if terms & _OTHER_SUBJECTS and not terms & _OUR_SUBJECTS and not is_chosen:
        return _Kind.NOTHING
    is_mark = terms & _MARKING and not terms & _SUBJECTS and not is_value
    if terms & _REFUSING or is_mark:
        return _Kind.REFUSAL if terms & _REFUSING else _Kind.MARK
    if is_chosen or terms & _AGREEING:
        return _Kind.CONSENT
    if names_people(name):
        return _Kind.NAME
    if is_value or terms & _SUBJECTS:
        return _Kind.VALUE
    return _Kind.CHANNEL if terms & _CHANNEL else _Kind.NOTE


def names_people(name: str) -> bool:
    """Tell whether a column has the names of people, by its name."""
    words = split_words(name)
    return bool(_PEOPLE & {*words}) and _PEOPLE_WITH.issuperset(words)


@lru_cache(10_000)
def _has_mark(text: str) -> bool:
    """Tell whether a cell of a column such as "deceased" has a yes or a date."""
    return _says_yes(text) or _DATED.search(text) is not None or _has_note(text)


@lru_cache(10_000)
def _refuses_channel(text: str) -> bool:
    return fold(text) in _PLAIN_NO | _NONE or _has_note(text)


@lru_cache(10_000)
def _is_clear_refusal(text: str) -> bool:
    return _may_refuse(text) and (not _REFUSALS.isdisjoint(_split_parts(text)) or _ends_with_order(fold(text)))


def _split_parts(text: str) -> list[str]:
    """Return a text and its parts between signs, folded."""
    return [fold(text), *map(fold, _APART.split(text))]


def _ends_with_order(words: str) -> bool:
    return words.count(" ") < _MOST_BESIDE and _ENDS_WITH_ORDER.search(words) is not None


@lru_cache(10_000)
def _has_refusal_beside_name(text: str) -> bool:
    if not _may_refuse(text):
        return False
    words = fold(text)
    told = _REFUSALS | _UNCLEAR_REFUSALS
    return bool(not told.isdisjoint(_split_parts(text)) or _NAME_WITH_ORDER.search(words) or _NOTE.search(words))


@lru_cache(10_000)
def _has_note(text: str) -> bool:
    if not _may_refuse(text):
        return False
    words = fold(text)
    told = " ".join(word for word in words.split() if word not in _ASIDE and not word.isdecimal())
    if told in _REFUSALS or told in _UNCLEAR_REFUSALS or _NOTE.search(words) or _ends_with_order(words):
        return True
    counted = _REFUSALS if _SUBJECTS & {*words.split()} else _REFUSALS | _UNCLEAR_REFUSALS
    if not counted.isdisjoint(_split_parts(text)[1:]):
        return True
    stop = _STOP_RULES.find_word(text)
    return stop is not None and stop.is_certain


@lru_cache(10_000)
def _may_be_refusal(text: str) -> bool:
    if not _may_refuse(text):
        return False
    return _NO_INTEREST.search(fold(text)) is not None or _STOP_RULES.find_word(text) is not None


def notes_refusal(text: str) -> bool:
    """Tell whether a note about a person says, or may say, that the person wants no messages."""
    return any(_has_note(line) or _may_be_refusal(line) for line in (text, *text.splitlines()))


def heads_refusals(text: str) -> bool:
    """Tell whether a heading says that the people below it want no messages, such as "Descadastrados"."""
    words = fold(text)
    one = " ".join(word.removesuffix("s") for word in words.split())
    return not _HEADINGS.isdisjoint({words, *_split_parts(text)}) or _has_note(text) or _has_note(one)


def _may_refuse(text: str) -> bool:
    return len(text) <= _LONGEST_NOTE and _has_hint(text)


def _has_hint(text: str) -> bool:
    """Tell whether a text has one of the beginnings of `_HINTS`."""
    is_plain = text.isascii() or _LATIN.fullmatch(text) is not None
    return _HINTS.search(f"{text} ".lower() if is_plain else f"{fold(text)} ") is not None


_SAYS: Mapping[_Kind, Callable[[str], bool]] = {
    _Kind.CONSENT: says_no,
    _Kind.REFUSAL: _confirms_refusal,
    _Kind.MARK: _has_mark,
    _Kind.CHANNEL: _refuses_channel,
    _Kind.VALUE: _is_clear_refusal,
    _Kind.NOTE: _has_note,
    _Kind.NAME: _has_refusal_beside_name,
}
