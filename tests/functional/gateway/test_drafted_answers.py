"""What clients ask of speculative decoding, and what they hear of it."""

from lmctl.base.talk import Drafted, Drafting, Finished, Started, TextDelta, Usage
from lmctl.chat.effective import PREFIX, effective

EVENTS = (
    Started(3),
    TextDelta("one two"),
    Finished("stop", Usage(3, 2), drafted=Drafted("acme/small", 9, 5, 3, 1)),
)
COUNTS = {
    "draft_model": "acme/small",
    "total_draft_tokens_count": 9,
    "accepted_draft_tokens_count": 5,
    "rejected_draft_tokens_count": 3,
    "ignored_draft_tokens_count": 1,
}


def layer(**values):
    return {PREFIX + "speculativeDecoding." + name: value for name, value in values.items()}


def test_what_no_layer_says_is_left_to_the_instance():
    assert effective().drafting == Drafting()


def test_a_named_drafter_turns_it_on_and_an_empty_name_off():
    chosen = effective(layer(draftModel=""), layer(draftModel="acme/small", maxTokensToDraft=4))

    assert chosen.drafting == Drafting(draft=False, most=4)
    assert effective(layer(draftModel="acme/small")).drafting == Drafting(True, "acme/small")


async def test_a_request_names_the_drafter_and_hears_the_counts(server, runner):
    runner.behave(events=EVENTS)

    answer = await server.chat(draft_model="acme/small")

    assert runner.calls[0].drafting == Drafting(draft=True, model="acme/small")
    assert answer.json["stats"] == COUNTS
    details = answer.json["usage"]["completion_tokens_details"]
    assert details == {
        "reasoning_tokens": 0,
        "accepted_prediction_tokens": 5,
        "rejected_prediction_tokens": 3,
    }


async def test_v0_tells_the_counts_beside_its_other_statistics(server, runner):
    runner.behave(events=EVENTS)

    answer = await server.ask(
        "POST", "/api/v0/completions", json_body={"model": "chat", "prompt": "one two"}
    )

    assert COUNTS.items() <= answer.json["stats"].items()
    assert answer.json["stats"]["stop_reason"] == "eosFound"


async def test_without_it_nothing_is_told(server, runner):
    answer = await server.chat()

    assert answer.json["stats"] == {}
    assert answer.json["usage"]["completion_tokens_details"] == {"reasoning_tokens": 0}
