"""Use cases before a start: template gallery, accounts, messages, facts to confirm, copies, deletion of a draft."""
