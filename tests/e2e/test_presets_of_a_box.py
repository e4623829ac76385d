"""Presets, switches and prompt templates of a whole box: the echo engine says back what it was told."""

import json

import httpx2
import pytest

pytestmark = pytest.mark.e2e

TEMPLATE = (
    "[{{ style }}]{% for turn in messages %}({{ turn.role }}: {{ turn.content }}){% endfor %}"
)
MODEL = """\
    model: acme/chat
    base:
      - key: acme/chat-script
        sources:
          - {type: file, path: ../../scripts/chat.json}
    customFields:
      - key: style
        type: select
        options: [{label: Plain, value: plain}, {label: Pirate, value: pirate}]
        defaultValue: plain
        effects: [{type: setJinjaVariable, variable: style}]
      - key: terse
        type: boolean
        effects: [{type: appendSystemPrompt, content: Be brief.}]
    """
ROUTE = """\
    apiVersion: lmctl/v1alpha1
    kind: Route
    metadata: {name: smart}
    spec: {targets: [{instance: chat}], preset: rude}
    """
P = "llm.prediction."


def preset(box, name, **settings):
    fields = [{"key": key.replace("__", "."), "value": value} for key, value in settings.items()]
    content = {"identifier": name, "operation": {"fields": fields}}
    box.write(f"presets/{name}.preset.json", json.dumps(content))


def chat(box, *, model="chat", **more):
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]} | more
    answer = httpx2.post(f"{box.url}/v1/chat/completions", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["content"]


def test_what_the_model_is_told_follows_preset_switch_and_template_and_no_runner_moves(box):
    box.echo(script=json.dumps({"chat_template": TEMPLATE}), customFields="{terse: true}")
    box.write("models/chat/model.yaml", MODEL)
    box.write("routes/smart.yaml", ROUTE)
    preset(box, "rude", **{P + "systemPrompt": "Be rude."})
    box.apply()
    runner = box.pid("instance/chat")
    assert chat(box) == "[plain](system: Be brief.)(user: hi)"
    assert chat(box, preset="rude") == "[plain](system: Be rude.\nBe brief.)(user: hi)"
    assert chat(box, model="smart") == chat(box, preset="rude")
    told = box.lmctl("chat", "chat", "-p", "hi", "--preset", "rude")
    assert told.out.strip() == chat(box, preset="rude")
    switched = {"style": "pirate", "terse": False}
    assert chat(box, custom_fields=switched) == "[pirate](user: hi)"

    prefixes = {"beforeSystem": "SYS ", "beforeUser": " Q: ", "beforeAssistant": " A:"}
    template = {"type": "manual", "manualPromptTemplate": prefixes, "stopStrings": [" A:"]}
    preset(box, "rude", **{P + "systemPrompt": "Be kind.", P + "promptTemplate": template})
    box.until_ready(generation=2)
    assert chat(box, model="smart") == "SYS Be kind.\nBe brief. Q: hi"

    box.echo(
        script=json.dumps({"chat_template": TEMPLATE}),
        customFields="{style: pirate}",
        operation="{preset: rude, systemPrompt: Be calm.}",
    )
    box.write("models/chat/model.yaml", MODEL)
    box.until_ready(generation=3)
    assert chat(box) == "SYS Be calm. Q: hi"
    assert box.pid("instance/chat") == runner
    assert box.lmctl("diff", str(box.fleet)).out.startswith("In sync")
    told = box.lmctl("explain", "instance/chat", "--effective", "-o", "json", str(box.fleet)).json
    layers = {each["path"]: each["layer"] for each in told["values"]}
    assert layers["operation.promptTemplate"] == "preset"
    assert layers["operation.systemPrompt"] == "instance"
