"""The tables about the people who use Revoada: the audit, users, sessions, login attempts and tokens."""
