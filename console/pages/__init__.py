"""One page a module: it reads the request, calls one use case and renders a template."""

# The part of an address that names a campaign. The largest id is that of a `bigint`.
CAMPAIGN = f"/campaigns/<int(max={2**63 - 1}):campaign_id>"

# The part of an address that names an account.
ACCOUNT = f"/accounts/<int(max={2**63 - 1}):account_id>"

_MOST_DIGITS = 19


def read_number(text: str) -> int | None:
    """Return an id or a count in a request; None if the text is no number that Postgres could store as one.

    Python raises ValueError for a number of more than 4,300 digits, which a form may have.
    """
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if is_number and int(text) < 2**63 else None
