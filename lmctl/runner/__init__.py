"""The process that holds one loaded model: engines, scheduler, admission, its socket server.

Knows conversations (`chat`) and values (`base`); knows nothing of manifests being watched, of
HTTP, or of other instances.
"""
