# ruff: noqa: E501 (a table reads by columns, one code a line, whatever the width)
"""Meta's error codes for a send, with HTTP status, title and details (Meta's page of error codes, 12 Dec 2025)."""

from typing import NamedTuple


class MetaError(NamedTuple):
    http_status: int
    title: str
    details: str = ""
    subcode: int = 0


ERRORS: dict[int, MetaError] = {
    0: MetaError(401, "AuthException", "We were unable to authenticate the app user."),
    1: MetaError(400, "API Unknown", "Invalid request or possible server error."),
    2: MetaError(503, "API Service", "Temporary due to downtime or due to being overloaded."),
    3: MetaError(500, "API Method", "Capability or permissions issue."),
    4: MetaError(400, "API Too Many Calls", "The app has reached its API call rate limit."),
    10: MetaError(403, "Permission Denied", "Permission is either not granted or has been removed."),
    33: MetaError(400, "Parameter value is not valid", "The business phone number has been deleted."),
    100: MetaError(400, "Invalid parameter", "The request included one or more unsupported or misspelled parameters."),
    190: MetaError(401, "Error validating access token: Session has expired on Tuesday, 22-Sep-26 10:00:00 PDT.", "", 463),
    200: MetaError(403, "API Permission", "Permission is either not granted or has been removed."),
    368: MetaError(403, "Temporarily blocked for policies violations", "The account has been restricted."),
    613: MetaError(400, "Calls to this api have exceeded the rate limit.", ""),
    80007: MetaError(400, "Rate limit issues", "The WhatsApp Business Account has reached its rate limit."),
    130429: MetaError(400, "Rate limit hit", "Message failed to send because there were too many messages sent from this phone number in a short period of time."),
    130472: MetaError(400, "User's number is part of an experiment", "Failed to send message because this user's phone number is part of an experiment."),
    130497: MetaError(403, "Business account is restricted from messaging users in this country.", "This business may not message users in this country."),
    131000: MetaError(500, "Something went wrong", "Message failed to send due to an unknown error."),
    131005: MetaError(403, "Access denied", "Permission is either not granted or has been removed."),
    131008: MetaError(400, "Required parameter is missing", "The request is missing a required parameter."),
    131009: MetaError(400, "Parameter value is not valid", "One or more parameter values are invalid."),
    131016: MetaError(500, "Service unavailable", "A service is temporarily unavailable."),
    131021: MetaError(400, "Recipient cannot be sender", "Sender and recipient phone number is the same."),
    131026: MetaError(400, "Message undeliverable", "Message Undeliverable."),
    131030: MetaError(400, "Recipient phone number not in allowed list", "Recipient phone number not in allowed list: Add recipient phone number to recipient list and try again."),
    131031: MetaError(403, "Account has been locked", "Business Account locked."),
    131037: MetaError(400, "WhatsApp provided number needs display name approval before message can be sent", "The display name of this number is not approved."),
    131042: MetaError(400, "Business eligibility payment issue", "Message failed to send because there were one or more errors related to your payment method."),
    131045: MetaError(500, "Incorrect certificate", "Message failed to send due to a phone number registration error."),
    131047: MetaError(400, "Re-engagement message", "Message failed to send because more than 24 hours have passed since the customer last replied to this number."),
    131048: MetaError(400, "Spam rate limit hit", "Message failed to send because there are restrictions on how many messages can be sent from this phone number."),
    131049: MetaError(400, "This message was not delivered to maintain healthy ecosystem engagement.", "In order to maintain a healthy ecosystem engagement, the message failed to be delivered."),
    131050: MetaError(400, "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages on WhatsApp from your business", "The recipient stopped marketing messages."),
    131051: MetaError(400, "Unsupported message type", "Message type is currently not supported."),
    131053: MetaError(400, "Media upload error", "Unable to upload the media used in the message."),
    131056: MetaError(400, "(Business Account, Consumer Account) pair rate limit hit", "Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time."),
    131057: MetaError(500, "Account in maintenance mode", "Business Account is in maintenance mode."),
    131059: MetaError(400, "Invalid paging cursor", "The cursor of the request is not valid."),
    131063: MetaError(400, "Marketing messages are disabled", "Marketing templates cannot be sent over the Cloud API by this WhatsApp Business account."),
    131064: MetaError(400, "Messaging limit reached", "The account reached its messaging limit because of template classification violations."),
    132000: MetaError(400, "Number of parameters does not match the expected number of params", "The number of variable parameter values did not match the template."),
    132001: MetaError(404, "Template name does not exist in the translation", "The template does not exist in the specified language or has not been approved."),
    132005: MetaError(400, "Template Hydrated Text Too Long", "Translated text is too long."),
    132007: MetaError(400, "Template Format Character Policy Violated", "Template content violates a WhatsApp policy."),
    132012: MetaError(400, "Parameter format does not match format in the created template", "Variable parameter values are formatted incorrectly."),
    132015: MetaError(400, "Template is Paused", "Template is paused due to low quality so it cannot be sent in a template message."),
    132016: MetaError(400, "Template is Disabled", "Template has been paused too many times due to low quality and is now permanently disabled."),
    132018: MetaError(400, "There is an issue with the parameters for your template.", "One or more template parameters are not valid."),
    133004: MetaError(503, "Server Temporarily Unavailable", "Server is temporarily unavailable."),
    133010: MetaError(400, "Account not registered", "The phone number is not registered on the WhatsApp Business Platform."),
    134101: MetaError(400, "Template is still syncing", "The template is still being synced for marketing messages."),
    134102: MetaError(500, "Template is unavailable for use", "The WhatsApp Business account is not onboarded for marketing messages."),
    135000: MetaError(400, "Generic user error", "Message failed to send because of an unknown error with the request parameters."),
}  # fmt: skip


class RefusalError(Exception):
    """The request is answered with Meta's error of this code; `details` and `http_status` come from the catalogue."""

    def __init__(self, code: int, details: str = "", *, message: str = "", subcode: int = 0, kind: str = "") -> None:
        super().__init__(code, details)
        known = find_error(code)
        self.code = code
        self.http_status = known.http_status
        self.message = message or (known.title if known.subcode else f"(#{code}) {known.title}")
        self.details = details or known.details
        self.subcode = subcode or (0 if message else known.subcode)
        self.type = kind or "OAuthException"


def find_error(code: int) -> MetaError:
    """Return a code's entry. A code that is not in the catalogue gets status 400, so that a script may use any code."""
    return ERRORS.get(code) or MetaError(400, "Unknown error", f"Simulated error {code}.")
