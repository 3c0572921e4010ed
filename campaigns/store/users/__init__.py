"""The tables about the people who use Revoada: the audit, users, sessions and login attempts."""
