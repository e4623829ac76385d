"""What a model's chat template lets it be asked for."""


def told_by(template: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether a chat template takes tools, and how much thinking it can be asked for."""
    # Late: reading a header must not cost what templates need where there is none.
    from lmctl.chat.advertised import reasoning_options, takes_tools
    from lmctl.runner.format_files import shipped

    return takes_tools(template), reasoning_options(template, shipped())
