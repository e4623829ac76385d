"""Conversations and prompts: templates, settings layers, text pieces to events. Pure."""
