"""Manifests the tests start from."""

CHAT = b"""\
apiVersion: lmctl/v1alpha1
kind: Instance
metadata: {name: chat}
spec:
  model: org/small
  identifier: chat
  load: {contextLength: 4096, parallel: 4, flashAttention: true, gpu: {ratio: max}}
  operation: {temperature: 0.2, topPSampling: false}
"""
EMBED = b"""\
apiVersion: lmctl/v1alpha1
kind: Instance
metadata:
  name: embed
spec:
  model: org/embed@q8_0
"""
MODEL = b"""\
model: org/small
base:
  - key: org/small-gguf
    sources:
      - {type: huggingface, user: org, repo: small-GGUF}
      - {type: file, path: ../weights/small.gguf}
config:
  load:
    fields:
      - {key: llm.load.contextLength, value: 8192}
  operation:
    fields:
      - {key: llm.prediction.temperature, value: 0.5}
      - {key: llm.prediction.topPSampling, value: {checked: false, value: 0.9}}
      - {key: llm.prediction.minPSampling, value: {checked: true, value: 0.1}}
"""
SERVER = b"""\
listen: {port: 8080, workers: 2}
limits: {queueDeadline: 1m30s, bodySize: 1Mi}
"""
FLEET = {
    "fleet/server.yaml": SERVER,
    "fleet/instances.yaml": CHAT + b"---\n" + EMBED,
    "fleet/models/small/model.yaml": MODEL,
    "fleet/presets/terse.preset.json": b'{"name": "Terse", "operation": {"fields": []}}',
    "fleet/mcp.json": b'{"mcpServers": {"files": {"command": "files", "args": ["."]}}}',
}
