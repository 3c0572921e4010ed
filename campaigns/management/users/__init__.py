"""The use cases about the people who use Revoada: users, logins and sessions."""
