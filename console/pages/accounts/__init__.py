"""The pages about accounts: all of them, one over time, and what an admin changes."""
