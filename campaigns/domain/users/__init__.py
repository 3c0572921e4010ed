"""The people who use Revoada: who makes a change, what each role may do, and which passwords are accepted."""
