"""Erases the data of people and of old campaigns, recognises forgotten people, and confirms opt-outs."""
