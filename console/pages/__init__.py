"""One page a module: it reads the request, calls one use case and renders a template."""

# The part of an address that names a campaign. The largest id is that of a `bigint`.
CAMPAIGN = f"/campaigns/<int(max={2**63 - 1}):campaign_id>"
