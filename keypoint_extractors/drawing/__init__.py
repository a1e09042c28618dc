"""Invented speakers, and any KeypointSequence drawn as one: the inverse of seeing."""
