"""The use cases of people: campaigns, lists, retries, reports, accounts, templates, suppressions, users."""
