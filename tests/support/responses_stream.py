"""A client of Responses that refuses whatever is out of order (contract 1.19)."""

PARTS = {
    "message": ("output_text", "response.output_text"),
    "reasoning": ("reasoning_text", "response.reasoning_text"),
}


class Client:
    """Builds the response the way a client does, refusing whatever is out of order."""

    def __init__(self):
        self.items, self.opened, self.part, self.text, self.failure = [], None, None, "", None
        self.last = None

    def read(self, told):
        assert [each["sequence_number"] for each in told] == list(range(len(told)))
        assert [each["type"] for each in told[:2]] == ["response.created", "response.in_progress"]
        assert told[0]["response"] == told[1]["response"]
        assert told[0]["response"]["status"] == "in_progress"
        for event in told[2:]:
            assert self.last is None
            self._take(event)
        return self.last

    def _take(self, event):
        match event["type"].removeprefix("response.").split("."):
            case ["output_item", "added"]:
                assert self.opened is None
                assert event["output_index"] == len(self.items)
                self.opened, self.text, self.logprobs = event["item"], "", []
            case ["output_item", "done"]:
                self._at(event, item=True)
                assert self.part is None
                assert event["item"]["id"] == self.opened["id"]
                self.items.append(event["item"])
                self.opened = None
            case ["content_part", "added"]:
                self._at(event)
                assert self.part is None
                assert event["part"]["type"] == PARTS[self.opened["type"]][0]
                self.part = event["part"]
            case ["content_part", "done"]:
                self._at(event)
                told = {"logprobs": self.logprobs} if "logprobs" in self.part else {}
                assert event["part"] == self.part | {"text": self.text} | told
                self.part = None
            case [("output_text" | "reasoning_text") as kind, moment]:
                self._at(event)
                assert PARTS[self.opened["type"]] == (kind, f"response.{kind}")
                assert event["content_index"] == 0
                self._more(event, moment, "text")
            case ["function_call_arguments", moment]:
                self._at(event)
                assert self.opened["type"] == "function_call"
                self._more(event, moment, "arguments")
            case ["error"]:
                self.failure = event["message"]
            case [("completed" | "incomplete" | "failed") as status]:
                assert event["response"]["status"] == status
                assert status == "failed" or self.opened is None
                self.last = event["response"]
            case _:
                raise AssertionError(event)

    def _at(self, event, *, item=False):
        assert self.opened is not None
        assert event["output_index"] == len(self.items)
        if not item:
            assert event["item_id"] == self.opened["id"]

    def _more(self, event, moment, name):
        if moment == "delta":
            self.text += event["delta"]
            self.logprobs += event.get("logprobs", [])
        else:
            assert moment == "done"
            assert event[name] == self.text
            # Tokens whose text never came are told at the end.
            told = event.get("logprobs", [])
            assert told[: len(self.logprobs)] == self.logprobs
            self.logprobs = told
