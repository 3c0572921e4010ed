"""Who makes a change, and the names of the changes: the audit keeps both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


class ActorKind(StrEnum):
    USER = "user"  # a person with a row in `users`
    CLI = "cli"  # a person at the command line, known by the login name of the system
    TASK = "task"  # a task that acts without a person


class Surface(StrEnum):
    """The way by which a person reached the program."""

    CONSOLE = "console"
    API = "api"
    CLI = "cli"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change. `surface` None: a task made it. `reason`: why, in the person's own words.

    `network`: the IP address from which the request came; None for a command or a task. `token_id` and `request_id`:
    the token of a request of the API, and the id of the request in the log.
    """

    name: str
    kind: ActorKind
    surface: Surface | None = None
    reason: str | None = None
    network: str | None = None
    token_id: int | None = None
    request_id: str | None = None


@unique
class Act(StrEnum):
    """A change that the audit keeps. The part before the dot is the kind of the thing that is changed."""

    ACCOUNT_ACTIVATE = "account.activate"
    ACCOUNT_ADD = "account.add"
    ACCOUNT_CHANGE = "account.change"
    ACCOUNT_DEACTIVATE = "account.deactivate"
    ACCOUNT_MOVE = "account.move"
    AUDIT_ERASE = "audit.erase"
    AUDIT_EXPORT = "audit.export"
    CAMPAIGN_APPROVE = "campaign.approve"
    CAMPAIGN_ASK_APPROVAL = "campaign.ask_approval"
    CAMPAIGN_CANCEL = "campaign.cancel"
    CAMPAIGN_CHANGE = "campaign.change"
    CAMPAIGN_COPY = "campaign.copy"
    CAMPAIGN_CREATE = "campaign.create"
    CAMPAIGN_DISCARD = "campaign.discard"
    CAMPAIGN_ERASE = "campaign.erase"
    CAMPAIGN_EXPORT = "campaign.export"  # a person takes the phones of a campaign away
    CAMPAIGN_IMPORT = "campaign.import"
    CAMPAIGN_PAUSE = "campaign.pause"
    CAMPAIGN_RECOVER = "campaign.recover"
    CAMPAIGN_REPAIR = "campaign.repair"
    CAMPAIGN_REPLACE = "campaign.replace"  # all the people of a draft
    CAMPAIGN_REPORT = "campaign.report"  # a person downloads the numbers of a campaign
    CAMPAIGN_RESUME = "campaign.resume"
    CAMPAIGN_RETRY = "campaign.retry"
    CAMPAIGN_RETRY_UNCERTAIN = "campaign.retry_uncertain"
    CAMPAIGN_START = "campaign.start"
    CAMPAIGN_TEST = "campaign.test"
    COSTS_EXPORT = "costs.export"  # a person takes the costs of campaigns away
    FORWARD_ADD = "forward.add"
    FORWARD_DISABLE = "forward.disable"
    FORWARD_ENABLE = "forward.enable"
    FORWARD_REMOVE = "forward.remove"
    HOOK_ADD = "hook.add"
    HOOK_CHANGE = "hook.change"  # its types of events
    HOOK_DISABLE = "hook.disable"
    HOOK_ENABLE = "hook.enable"
    HOOK_REMOVE = "hook.remove"
    HOOK_REPLAY = "hook.replay"  # send events again
    HOOK_ROTATE = "hook.rotate"  # a new secret
    HOOK_TEST = "hook.test"
    OPTOUT_ACCEPT = "optout.accept"
    OPTOUT_DISMISS = "optout.dismiss"
    OPTOUT_ERASE = "optout.erase"  # the texts of old answers
    PERSON_FORGET = "person.forget"
    PORTFOLIO_ADD = "portfolio.add"
    PORTFOLIO_CHANGE = "portfolio.change"
    PRICES_LOAD = "prices.load"
    PRICES_REMOVE = "prices.remove"
    SECRET_REKEY = "secret.rekey"  # noqa: S105  the name of a change
    SUPPRESSION_ADD = "suppression.add"
    SUPPRESSION_EXPORT = "suppression.export"  # a person takes the phones of the list away
    SUPPRESSION_IMPORT = "suppression.import"
    SUPPRESSION_RECORD = "suppression.record"  # of the people who say no in a list
    SUPPRESSION_REMOVE = "suppression.remove"
    SYSTEM_RECOVER = "system.recover"
    TEMPLATE_ADD = "template.add"
    TEMPLATE_SYNC = "template.sync"
    TOKEN_ADD = "token.add"  # noqa: S105  the name of a change
    TOKEN_REVOKE = "token.revoke"  # noqa: S105  the name of a change
    UPLOAD_ADD = "upload.add"
    UPLOAD_DISCARD = "upload.discard"
    USER_ADD = "user.add"
    USER_CHANGE = "user.change"
    USER_CONFIRM = "user.confirm"  # the user has typed the password again
    USER_DISABLE = "user.disable"
    USER_END_SESSIONS = "user.end_sessions"
    USER_LOG_IN = "user.log_in"
    USER_LOG_IN_FAILED = "user.log_in_failed"
    USER_LOG_OUT = "user.log_out"
