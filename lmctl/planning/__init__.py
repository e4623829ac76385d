"""Desired and observed state, and the plan between them. Pure: no clock, no file, no network."""
