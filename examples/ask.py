"""Ask the box one question and print the answer as it comes. Usage: ask.py URL QUESTION."""

import json
import sys

import httpx2

url, question = sys.argv[1:3]
body = {
    "model": "chat",
    "messages": [{"role": "user", "content": question}],
    "max_tokens": 80,
    "stream": True,
}
with httpx2.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=120) as answer:
    if answer.status_code != 200:
        sys.exit(f"error {answer.status_code}: {answer.read().decode()}")
    for line in answer.iter_lines():
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        event = json.loads(line.removeprefix("data: "))
        if "error" in event:
            sys.exit(f"error: {event['error']['message']}")
        for choice in event["choices"]:
            print(choice["delta"].get("content", ""), end="", flush=True)
print()
