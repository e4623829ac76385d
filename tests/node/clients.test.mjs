// What the clients of Node see of a box. `chat` answers with real weights, `script` says back what
// it is told, so that a test can make it call tools or think.
import assert from "node:assert/strict";
import test from "node:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { z } from "zod";

const baseURL = process.env.LMCTL_TEST_URL;
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const provider = createOpenAICompatible({ name: "lmctl", baseURL, includeUsage: true });

const colours = [{ role: "user", content: "List five colors." }];
const call = (name, given) =>
  `[TOOL_REQUEST]${JSON.stringify({ name, arguments: given })}[END_TOOL_REQUEST]`;
const weather = {
  type: "function",
  function: {
    name: "weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

test("openai: models are listed and found", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.deepEqual(names, ["chat", "script"]);
  assert.equal((await client.models.retrieve("chat")).id, "chat");
});

test("openai: an answer whole, and the same in pieces", async () => {
  const asked = { model: "chat", messages: colours, temperature: 0 };
  const whole = await client.chat.completions.create(asked);
  assert.match(whole.choices[0].message.content, /Red/);
  assert.equal(whole.choices[0].finish_reason, "stop");

  const stream = client.chat.completions.stream({
    ...asked,
    stream_options: { include_usage: true },
  });
  let text = "";
  stream.on("content", (piece) => (text += piece));
  const last = await stream.finalChatCompletion();
  assert.equal(text, whole.choices[0].message.content);
  assert.deepEqual(last.usage.completion_tokens, whole.usage.completion_tokens);
});

test("openai: a stream that is broken off ends the request", async () => {
  const stream = await client.chat.completions.create({
    model: "chat",
    messages: [{ role: "user", content: "Write a story about a cat." }],
    stream: true,
    logit_bias: { 0: -100, 2: -100 },
  });
  let pieces = 0;
  for await (const _ of stream) if (++pieces === 5) stream.controller.abort();
  assert.ok(pieces >= 5);
});

test("openai: a tool is called, its answer read", async () => {
  const asked = { role: "user", content: call("weather", { city: "Paris" }) };
  const first = await client.chat.completions.create({
    model: "script",
    messages: [asked],
    tools: [weather],
  });
  const [choice] = first.choices;
  assert.equal(choice.finish_reason, "tool_calls");
  const [made] = choice.message.tool_calls;
  assert.deepEqual(JSON.parse(made.function.arguments), { city: "Paris" });

  const second = await client.chat.completions.create({
    model: "script",
    messages: [
      asked,
      choice.message,
      { role: "tool", tool_call_id: made.id, content: "rain" },
      { role: "user", content: "so take an umbrella" },
    ],
    tools: [weather],
  });
  // The default format puts a tool's result into the conversation as text of its own.
  assert.match(second.choices[0].message.content, /rain[^]*so take an umbrella$/);
});

test("openai: responses go on from each other", async () => {
  const first = await client.responses.create({ model: "script", input: "remember me" });
  assert.equal(first.output_text, "remember me");
  const second = await client.responses.create({
    model: "script",
    input: "and again",
    previous_response_id: first.id,
  });
  assert.equal(second.output_text, "and again");
  assert.equal((await client.responses.retrieve(first.id)).output_text, "remember me");
});

test("openai: errors are of their own classes", async () => {
  const asked = { messages: colours };
  await assert.rejects(
    client.chat.completions.create({ ...asked, model: "nobody" }),
    (error) => error instanceof OpenAI.BadRequestError && error.code === "model_not_found",
  );
  await assert.rejects(
    client.chat.completions.create({ ...asked, model: "chat", temperature: "hot" }),
    (error) => error instanceof OpenAI.BadRequestError && error.param === "temperature",
  );
  await assert.rejects(
    client.chat.completions.create({
      model: "chat",
      messages: [{ role: "user", content: "word ".repeat(5000) }],
    }),
    (error) => error instanceof OpenAI.BadRequestError && error.code === "context_length_exceeded",
  );
});

test("ai sdk: text whole and streamed, with usage", async () => {
  const asked = { model: provider("chat"), prompt: colours[0].content, temperature: 0 };
  const whole = await generateText(asked);
  assert.match(whole.text, /Red/);
  assert.equal(whole.finishReason, "stop");

  const stream = streamText(asked);
  let text = "";
  for await (const piece of stream.textStream) text += piece;
  assert.equal(text, whole.text);
  assert.equal((await stream.usage).outputTokens, whole.usage.outputTokens);
});

test("ai sdk: a tool runs and its result is given back", async () => {
  const seen = [];
  const result = await generateText({
    model: provider("script"),
    prompt: call("weather", { city: "Oslo" }),
    tools: {
      weather: tool({
        description: "The weather of a city",
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => {
          seen.push(city);
          return `snow in ${city}`;
        },
      }),
    },
    stopWhen: stepCountIs(1),
  });
  assert.deepEqual(seen, ["Oslo"]);
  assert.equal(result.finishReason, "tool-calls");
  assert.equal(result.toolResults[0].output, "snow in Oslo");
});

test("ai sdk: arguments of a call are streamed", async () => {
  const stream = streamText({
    model: provider("script"),
    prompt: call("weather", { city: "Rome" }),
    tools: { weather: tool({ inputSchema: z.object({ city: z.string() }) }) },
  });
  const kinds = new Set();
  let given = "";
  for await (const part of stream.fullStream) {
    kinds.add(part.type);
    if (part.type === "tool-input-delta") given += part.delta;
  }
  assert.deepEqual(JSON.parse(given), { city: "Rome" });
  assert.ok(kinds.has("tool-call"));
});

test("ai sdk: what is wrong is an APICallError with its status", async () => {
  await assert.rejects(
    generateText({ model: provider("nobody"), prompt: "hello", maxRetries: 0 }),
    (error) => APICallError.isInstance(error) && error.statusCode === 400,
  );
});
