"""The pages about the people who get messages: one person, the opt-outs, and the answers that may be opt-outs."""
