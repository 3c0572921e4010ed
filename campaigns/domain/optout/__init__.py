"""Answers by which a person refuses more messages."""
