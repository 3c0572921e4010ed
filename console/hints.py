"""The words and the pages of hints: what a refusal or a finding of `campaigns` advises a person to do.

`deferred` marks a text for the catalogue; `console.texts` translates it for the reader of a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from campaigns.domain.statement import Field, HintAction, deferred

# The words of each action. A page writes the name or the id of the campaign, the account and so on behind these words.
ACTIONS: Mapping[HintAction, str] = MappingProxyType({
    HintAction.ACTIVATE_ACCOUNT: deferred("activate the account"),
    HintAction.ADD_ACCOUNT: deferred("add an account"),
    HintAction.ASK_APPROVAL: deferred("ask for the approval of campaign"),
    HintAction.BLOCK_PERSON: deferred("let the person get no message"),
    HintAction.CANCEL_CAMPAIGN: deferred("cancel campaign"),
    HintAction.CHANGE_ACCOUNT: deferred("change the account"),
    HintAction.CHANGE_CAMPAIGN: deferred("change campaign"),
    HintAction.CHANGE_PORTFOLIO: deferred("change the portfolio"),
    HintAction.CHECK_ACCOUNT: deferred("check the health of the account"),
    HintAction.CHECK_SETUP: deferred("check the setup"),
    HintAction.CREATE_CAMPAIGN: deferred("make a new campaign"),
    HintAction.DIAGNOSE: deferred("look for causes"),
    HintAction.DIAGNOSE_CAMPAIGN: deferred("causes of the wait of campaign"),
    HintAction.DISCARD_CAMPAIGN: deferred("delete the draft of campaign"),
    HintAction.DISCARD_LIST: deferred("discard the newer list of campaign"),
    HintAction.EXPORT_CAMPAIGN: deferred("download the messages of campaign"),
    HintAction.IMPORT_RECIPIENTS: deferred("add people to campaign"),
    HintAction.REPLACE_RECIPIENTS: deferred("replace the people of campaign"),
    HintAction.LIFT_SUPPRESSION: deferred("let the person get messages again"),
    HintAction.LIST_ACCOUNTS: deferred("see the accounts"),
    HintAction.LIST_CAMPAIGNS: deferred("see the campaigns"),
    HintAction.LIST_FORWARDS: deferred("see the forwards of webhooks"),
    HintAction.LIST_HOOKS: deferred("see the hooks"),
    HintAction.LIST_PORTFOLIOS: deferred("see the portfolios"),
    HintAction.LIST_SUPPRESSIONS: deferred("see the opt-outs"),
    HintAction.LIST_TEMPLATES: deferred("see the templates"),
    HintAction.LIST_TOKENS: deferred("see the tokens of the API"),
    HintAction.LIST_USERS: deferred("see the users"),
    HintAction.MAKE_KEY: deferred("make a key"),
    HintAction.MIGRATE: deferred("migrate the database"),
    HintAction.PAUSE_CAMPAIGN: deferred("pause campaign"),
    HintAction.PREVIEW_CAMPAIGN: deferred("see the first messages of campaign"),
    HintAction.RECOVER: deferred("recover the database"),
    HintAction.RESUME_CAMPAIGN: deferred("resume campaign"),
    HintAction.RETRY_CAMPAIGN: deferred("send failed messages again: campaign"),
    HintAction.RETRY_UNCERTAIN: deferred("send uncertain messages again: campaign"),
    HintAction.REVIEW_OPTOUTS: deferred("review the answers that may be opt-outs"),
    HintAction.SHOW_CAMPAIGN: deferred("see campaign"),
    HintAction.SHOW_ERRORS: deferred("see the errors of campaign"),
    HintAction.START_CAMPAIGN: deferred("start campaign"),
    HintAction.SYNC_TEMPLATES: deferred("read the templates from Meta"),
    HintAction.WATCH_CAMPAIGN: deferred("watch campaign"),
})  # fmt: skip

# The endpoint of the page for an action. An action without a page is shown in words.
PAGES: Mapping[HintAction, str] = MappingProxyType({
    HintAction.ACTIVATE_ACCOUNT: "named_account",
    HintAction.ASK_APPROVAL: "confirm_ask_approval",
    HintAction.CANCEL_CAMPAIGN: "confirm_cancel",
    HintAction.CHANGE_ACCOUNT: "named_account",
    HintAction.CHECK_ACCOUNT: "named_account",
    HintAction.CREATE_CAMPAIGN: "new_campaign",
    HintAction.DIAGNOSE: "system",
    HintAction.DIAGNOSE_CAMPAIGN: "campaign",
    HintAction.LIST_ACCOUNTS: "accounts",
    HintAction.LIST_CAMPAIGNS: "campaigns",
    HintAction.LIST_FORWARDS: "system",
    HintAction.LIST_HOOKS: "hooks",
    HintAction.LIST_SUPPRESSIONS: "optouts",
    HintAction.LIST_TEMPLATES: "templates",
    HintAction.LIST_TOKENS: "tokens",
    HintAction.LIST_USERS: "users",
    HintAction.PAUSE_CAMPAIGN: "confirm_pause",
    HintAction.RESUME_CAMPAIGN: "confirm_resume",
    HintAction.RETRY_CAMPAIGN: "ask_retry",
    HintAction.RETRY_UNCERTAIN: "uncertain_messages",
    HintAction.REVIEW_OPTOUTS: "reviews",
    HintAction.SHOW_CAMPAIGN: "campaign",
    HintAction.SHOW_ERRORS: "errors",
    HintAction.START_CAMPAIGN: "draft_start",
    HintAction.SYNC_TEMPLATES: "templates",
    HintAction.WATCH_CAMPAIGN: "campaign",
})  # fmt: skip

# What an admin does on the page of an account for an action.
ACCOUNT_ACTS: Mapping[HintAction, str] = MappingProxyType({
    HintAction.ACTIVATE_ACCOUNT: "activate",
    HintAction.CHANGE_ACCOUNT: "change",
})  # fmt: skip

# The step of a draft for an action. On the pages of a draft these actions are links.
STEPS: Mapping[HintAction, str] = MappingProxyType({
    HintAction.CHANGE_CAMPAIGN: "draft_pace",
    HintAction.DISCARD_LIST: "draft_list",
    HintAction.IMPORT_RECIPIENTS: "draft_list",
    HintAction.LIST_TEMPLATES: "draft_text",
    HintAction.PREVIEW_CAMPAIGN: "draft_start",
    HintAction.REPLACE_RECIPIENTS: "draft_columns",
    HintAction.SYNC_TEMPLATES: "draft_text",
})  # fmt: skip

# The step of a draft that has a field, and the id of the field there.
PLACES: Mapping[Field, tuple[str, str]] = MappingProxyType({
    Field.ACCOUNT: ("draft_pace", "accounts"),
    Field.COLUMN: ("draft_columns", "look"),
    Field.EXPIRE_AT: ("draft_pace", "expire"),
    Field.HIDDEN: ("draft_columns", "hidden"),
    Field.HOLIDAYS: ("draft_pace", "holidays"),
    Field.INTERVAL: ("draft_pace", "speed"),
    Field.MAX_PER_PERSON: ("draft_pace", "max_per_person"),
    Field.NOT_REFUSALS: ("draft_columns", "unrelated"),
    Field.NO_ANSWER: ("draft_columns", "unanswered"),
    Field.PAUSE: ("draft_pace", "pause_after"),
    Field.PAUSE_FOR: ("draft_pace", "pause_minutes"),
    Field.PHONE_COLUMN: ("draft_columns", "phone"),
    Field.RECIPIENT_ZONES: ("draft_pace", "uses_recipient_zones"),
    Field.REFUSALS: ("draft_columns", "refusals"),
    Field.REGION: ("draft_columns", "region"),
    Field.SCHEDULE_AT: ("draft_pace", "schedule"),
    Field.SHEET: ("draft_columns", "sheet"),
    Field.START_WITHIN: ("draft_pace", "start_within"),
    Field.TEMPLATE: ("draft_text", "template"),
    Field.TIME_ZONE: ("draft_pace", "time_zone"),
    Field.UNCERTAIN: ("draft_list", "uncertain"),
    Field.VALUE: ("draft_columns", "look"),
    Field.WEEKDAYS: ("draft_pace", "weekdays"),
    Field.WHO: ("draft_list", "who"),
    Field.WINDOW: ("draft_pace", "window_from"),
    Field.WITHIN_DAYS: ("draft_pace", "within_days"),
})  # fmt: skip

# The words of the pages for the values of fields that offer a choice. A command has the other words.
CHOICES: Mapping[tuple[Field, str], str] = MappingProxyType({
    (Field.HIDDEN, "include"): deferred("read them like the others"),
    (Field.HIDDEN, "skip"): deferred("leave them out"),
    (Field.NO_ANSWER, "include"): deferred("read them like the others"),
    (Field.NO_ANSWER, "skip"): deferred("leave them out"),
    (Field.REFUSALS, "include"): deferred("read them like the others"),
    (Field.REFUSALS, "skip"): deferred("leave them out"),
    (Field.RETRY_CLASS, "all-retryable"): deferred("all that may be sent again"),
    (Field.RETRY_CLASS, "server"): deferred("faults at Meta"),
    (Field.STATUS, "cancelled"): deferred("cancelled"),
    (Field.STATUS, "failed"): deferred("failed"),
})  # fmt: skip

# The label that each field has on its form; other words for a field that no form has.
FIELDS: Mapping[Field, str] = MappingProxyType({
    Field.ACCOUNT: deferred("Accounts that send"),
    Field.COLUMN: deferred("column of variable"),
    Field.EXCEPT: deferred("unaffected campaigns"),
    Field.EXPIRE_AT: deferred("Send nothing after"),
    Field.HIDDEN: deferred("Hidden and filtered rows, hidden columns, and rows struck through or coloured"),
    Field.HOLIDAYS: deferred("Send nothing on the public holidays of"),
    Field.INTERVAL: deferred("Interval or speed"),
    Field.MAX_PER_PERSON: deferred("Limit per person: messages"),
    Field.MESSAGES_PER_SECOND: deferred("messages per second"),
    Field.NO_ANSWER: deferred("Rows whose cell in a column such as opt-in is empty"),
    Field.NOT_REFUSALS: deferred("Columns about something else, such as orders"),
    Field.PAUSE: deferred("Pause after this number of messages"),
    Field.PAUSE_FOR: deferred("Length of a pause, in minutes"),
    Field.PHONE_COLUMN: deferred("Column of the phones"),
    Field.PHONE_NUMBER_ID: deferred("phone number id"),
    Field.RECIPIENT_ZONES: deferred("Hours on the clock of each person"),
    Field.REFUSALS: deferred("Rows that say in a column such as opt-in that the person wants no messages"),
    Field.REGION: deferred("Country of the phones without a country code"),
    Field.RETRY_CLASS: deferred("class"),
    Field.SCHEDULE_AT: deferred("Do not start before"),
    Field.SHEET: deferred("sheet"),
    Field.SINCE: deferred("since"),
    Field.START_WITHIN: deferred("Start within this number of minutes after that"),
    Field.STATUS: deferred("status"),
    Field.TEMPLATE: deferred("Template"),
    Field.UNCERTAIN: deferred("Also people whose message is uncertain, at most"),
    Field.UNCHECKED: deferred("Store it without asking Meta"),
    Field.VALUE: deferred("value for all recipients"),
    Field.TIME_ZONE: deferred("Time zone of all times"),
    Field.TOKEN: deferred("access token"),
    Field.WABA_ID: deferred("id of the WhatsApp Business account"),
    Field.WEBHOOK_URL: deferred("public address of the webhook"),
    Field.WEEKDAYS: deferred("Days of the week"),
    Field.WHO: deferred("People of an earlier campaign"),
    Field.WINDOW: deferred("Hours"),
    Field.WITHIN_DAYS: deferred("Limit per person: days"),
})  # fmt: skip
