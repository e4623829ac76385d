"""A model's answer as events, while it is being written: text in, words of a conversation out.

The formats are data (`chat/formats.py`); here is what reads them. Every reader is a generator over
one `Source`: it yields where it needs more text, so the code reads like one for a whole answer and
what comes out does not depend on how the answer was cut into pieces. Text that turns out to be
no call is given back and becomes content: nothing the model wrote is lost.
"""
