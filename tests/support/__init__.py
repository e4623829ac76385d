"""Builders and small real things the tests share."""
