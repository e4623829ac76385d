"""The daemon's memory, one SQLite file: generations, journal, events. Losing it loses no model."""
