"""The use cases about the people who use Revoada: users, logins, sessions, and the tokens of programs."""
