"""The prices of messages: how a price list is read, what a campaign may cost, and what it has cost."""
