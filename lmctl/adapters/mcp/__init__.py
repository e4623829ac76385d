"""The one door to MCP: connections to tool servers, each held by a task of its own, and their supervision.

What a server may be asked for, and by whom, is decided elsewhere. The SDK is imported when the
first server is connected: a box without tool servers does not pay for it.
"""
