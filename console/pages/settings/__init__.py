"""The pages of the settings: those of the person, and the prices of messages."""
