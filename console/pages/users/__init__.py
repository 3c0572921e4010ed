"""The pages about users: the own profile, the password that is asked again, and the users that an admin changes."""
