"""A list of people as the tests upload it."""

# Two people, and a row that is rejected.
LIST = "phone,name\n+5511999990001,Ana\n+5511999990002,Bia\n123,Caio\n"
MOST_BYTES = 10_000_000
