// What the clients of Node see of a box of real weights: `chat` calls tools and sees, `thinker`
// thinks, `vectors` embeds, `script` says back what it is told, `broken` never loads.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { z } from "zod";

const baseURL = process.env.LMCTL_TEST_URL;
const apiKey = process.env.LMCTL_TEST_TOKEN;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const provider = createOpenAICompatible({
  name: "lmctl", baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true,
});

const said = (content) => [{ role: "user", content }];
const FRANCE = "What is the capital of France?";
const WEATHER = "What is the weather in Paris, in celsius? Use the tool.";
const GREEDY = { temperature: 0, max_tokens: 60 };
const PARIS = { city: "Paris", unit: "celsius" };
const parameters = {
  type: "object",
  properties: { city: { type: "string" }, unit: { type: "string", enum: ["celsius", "fahrenheit"] } },
  required: ["city", "unit"],
  additionalProperties: false,
};
const about = { name: "get_current_weather", description: "Get the weather of a city." };
const weather = { type: "function", function: { ...about, parameters } };
const zodWeather = z.object({ city: z.string(), unit: z.enum(["celsius", "fahrenheit"]) });
const pet = {
  type: "object",
  properties: { kind: { enum: ["cat", "dog"] }, lives: { enum: [7, 9] } },
  required: ["kind", "lives"],
  additionalProperties: false,
};
const green = readFileSync(process.env.LMCTL_TEST_PICTURE).toString("base64");
const [LOOK, WHICH] = ["Look: ", " What colour is it? Answer in one word."];

const length = (vector) => Math.hypot(...vector);

test("openai: models are listed and found", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.deepEqual(names, ["broken", "chat", "script", "thinker", "vectors"]);
  assert.equal((await client.models.retrieve("chat")).id, "chat");
});

test("openai: an answer whole, and the same in pieces", async () => {
  const asked = { model: "chat", messages: said(FRANCE), ...GREEDY };
  const whole = await client.chat.completions.create(asked);
  assert.match(whole.choices[0].message.content, /Paris/);
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

test("openai: a stream that is broken off frees its slot", async () => {
  // Without the ends of a text and of a turn it would go on till the context is full.
  const asked = { model: "thinker", messages: said("Tell a story."), logit_bias: { 0: -100, 2: -100 } };
  for (let round = 0; round < 2; round++) {
    const stream = await client.chat.completions.create({ ...asked, stream: true });
    let pieces = 0;
    for await (const _ of stream) if (++pieces === 5) stream.controller.abort();
    assert.ok(pieces >= 5);
  }
  const next = await client.chat.completions.create({ ...asked, max_tokens: 1 });
  assert.equal(next.choices[0].finish_reason, "length");
});

test("openai: a tool is called, its answer read", async () => {
  const asked = { model: "chat", messages: said(WEATHER), tools: [weather], ...GREEDY };
  const [choice] = (await client.chat.completions.create(asked)).choices;
  assert.equal(choice.finish_reason, "tool_calls");
  const [made] = choice.message.tool_calls;
  assert.equal(made.function.name, about.name);
  assert.deepEqual(JSON.parse(made.function.arguments), PARIS);

  const streamed = await client.chat.completions.stream(asked).finalChatCompletion();
  assert.deepEqual(JSON.parse(streamed.choices[0].message.tool_calls[0].function.arguments), PARIS);

  const result = { role: "tool", tool_call_id: made.id, content: '{"temperature": 31}' };
  const then = said("So how many degrees is it? Answer with one sentence.");
  const messages = [...asked.messages, choice.message, result, ...then];
  const second = await client.chat.completions.create({ ...asked, messages, tool_choice: "none" });
  assert.match(second.choices[0].message.content, /31/);
});

test("openai: structured output keeps to its schema", async () => {
  const json_schema = { name: "pet", schema: pet, strict: true };
  const answer = await client.chat.completions.create({
    model: "chat", messages: said("A cat with nine lives, as JSON."), ...GREEDY,
    response_format: { type: "json_schema", json_schema },
  });
  const found = JSON.parse(answer.choices[0].message.content);
  assert.ok(["cat", "dog"].includes(found.kind) && [7, 9].includes(found.lives));
});

test("openai: a picture is seen", async () => {
  const url = `data:image/png;base64,${green}`;
  const content = [
    { type: "text", text: LOOK },
    { type: "image_url", image_url: { url } },
    { type: "text", text: WHICH },
  ];
  const answer = await client.chat.completions.create({
    model: "chat", messages: said(content), ...GREEDY, max_tokens: 8,
  });
  assert.match(answer.choices[0].message.content, /green/i);
});

test("openai: vectors as floats and base64", async () => {
  const input = ["reset my password", "a red bird sang"];
  const floats = await client.embeddings.create({ model: "vectors", input, encoding_format: "float" });
  const usual = await client.embeddings.create({ model: "vectors", input }); // base64 by itself
  for (const number of [0, 1]) {
    const [one, other] = [floats, usual].map((each) => each.data[number].embedding);
    assert.equal(one.length, 384);
    assert.ok(Math.abs(length(one) - 1) < 1e-3);
    assert.ok(one.every((value, at) => Math.abs(value - other[at]) < 1e-6));
  }
});

test("openai: thoughts come apart, and off is off", async () => {
  const asked = { model: "thinker", messages: said(FRANCE), ...GREEDY, max_tokens: 24 };
  const thinking = await client.chat.completions.create(asked);
  assert.match(thinking.choices[0].message.reasoning_content, /Paris/);
  const silent = await client.chat.completions.create({ ...asked, reasoning_effort: "none" });
  assert.match(silent.choices[0].message.content, /Paris/);
  assert.equal(silent.usage.completion_tokens_details.reasoning_tokens, 0);
});

test("openai: responses go on from each other", async () => {
  const asked = { model: "chat", temperature: 0, max_output_tokens: 20 };
  const first = await client.responses.create({ ...asked, input: "My name is Ada. Say hello." });
  const more = { ...asked, input: "What is my name?", previous_response_id: first.id };
  const second = await client.responses.create(more);
  assert.match(second.output_text, /Ada/);
  assert.equal((await client.responses.retrieve(first.id)).output_text, first.output_text);
  const kinds = [];
  for await (const event of await client.responses.create({ ...more, stream: true })) kinds.push(event.type);
  assert.equal(kinds[0], "response.created");
  assert.equal(kinds.at(-1), "response.completed");
});

test("openai: errors are of their own classes", async () => {
  const asked = { model: "chat", messages: said(FRANCE) };
  const refused = (more, kind, code) =>
    assert.rejects(
      client.chat.completions.create({ ...asked, ...more }),
      (error) => error instanceof kind && error.code === code,
    );
  await refused({ model: "nobody" }, OpenAI.BadRequestError, "model_not_found");
  await refused({ messages: said("word ".repeat(4000)) }, OpenAI.BadRequestError, "context_length_exceeded");
  await refused({ metadata: { x: "y".repeat(3_000_000) } }, OpenAI.APIError, "request_too_large");
  await refused({ model: "broken" }, OpenAI.InternalServerError, "model_not_ready");
  await assert.rejects(
    client.chat.completions.create({ ...asked, temperature: "hot" }),
    (error) => error instanceof OpenAI.BadRequestError && error.param === "temperature",
  );
  await assert.rejects(client.models.retrieve("nobody"), OpenAI.NotFoundError);
  const as = (apiKey) => new OpenAI({ baseURL, apiKey, maxRetries: 0 });
  await assert.rejects(as("wrong").models.list(), OpenAI.AuthenticationError);
  const reader = as(process.env.LMCTL_TEST_READER);
  await assert.rejects(reader.chat.completions.create(asked), OpenAI.PermissionDeniedError);
  const unload = { body: { instance_id: "chat" } };
  const path = baseURL.replace("/v1", "/api/v1/models/unload");
  await assert.rejects(client.post(path, unload), OpenAI.ConflictError);
});

test("openai: too many at once are told to come back", async () => {
  const story = { model: "thinker", messages: said("Tell a story."), logit_bias: { 0: -100, 2: -100 } };
  const leaving = new AbortController();
  const asking = Array.from({ length: Number(process.env.LMCTL_TEST_AT_ONCE) + 1 }, () =>
    client.chat.completions.create({ ...story, stream: true }, { signal: leaving.signal }),
  );
  // The first trouble is that of the one too many; none of the others comes to an end.
  const trouble = await new Promise((found) => asking.forEach((each) => each.catch(found)));
  leaving.abort();
  await Promise.allSettled(asking);
  assert.ok(trouble instanceof OpenAI.RateLimitError);
  assert.equal(trouble.code, "queue_full");
});

test("ai sdk: text whole and streamed, with usage", async () => {
  const asked = { model: provider("chat"), prompt: FRANCE, temperature: 0, maxOutputTokens: 24 };
  const whole = await generateText(asked);
  assert.match(whole.text, /Paris/);
  assert.equal(whole.finishReason, "stop");

  const stream = streamText(asked);
  let text = "";
  for await (const piece of stream.textStream) text += piece;
  assert.equal(text, whole.text);
  assert.equal((await stream.usage).outputTokens, whole.usage.outputTokens);
});

test("ai sdk: a tool runs and its result is given back", async () => {
  const seen = [];
  const execute = async (given) => {
    seen.push(given);
    return { temperature: 31 };
  };
  const result = await generateText({
    model: provider("chat"), prompt: WEATHER, temperature: 0, maxOutputTokens: 60,
    tools: { [about.name]: tool({ description: about.description, inputSchema: zodWeather, execute }) },
    stopWhen: stepCountIs(1),
  });
  assert.deepEqual(seen, [PARIS]);
  assert.equal(result.finishReason, "tool-calls");
  assert.deepEqual(result.toolResults[0].output, { temperature: 31 });
});

test("ai sdk: arguments of a call are streamed", async () => {
  const stream = streamText({
    model: provider("chat"), prompt: WEATHER, temperature: 0, maxOutputTokens: 60,
    tools: { [about.name]: tool({ description: about.description, inputSchema: zodWeather }) },
  });
  const kinds = new Set();
  let given = "";
  for await (const part of stream.fullStream) {
    kinds.add(part.type);
    if (part.type === "tool-input-delta") given += part.delta;
  }
  assert.deepEqual(JSON.parse(given), PARIS);
  assert.ok(kinds.has("tool-call"));
});

test("ai sdk: an object keeps to its schema", async () => {
  const schema = z.object({ kind: z.enum(["cat", "dog"]), lives: z.literal([7, 9]) });
  const asked = { model: provider("chat"), schema, prompt: "A cat, as JSON.", temperature: 0 };
  const { object } = await generateObject(asked);
  assert.ok(["cat", "dog"].includes(object.kind));
});

test("ai sdk: a picture is seen", async () => {
  const content = [
    { type: "text", text: LOOK },
    { type: "image", image: green, mediaType: "image/png" },
    { type: "text", text: WHICH },
  ];
  const asked = { model: provider("chat"), temperature: 0, maxOutputTokens: 8 };
  assert.match((await generateText({ ...asked, messages: said(content) })).text, /green/i);
});

test("ai sdk: vectors", async () => {
  const model = provider.textEmbeddingModel("vectors");
  const { embeddings } = await embedMany({ model, values: ["reset my password", "a red bird"] });
  assert.ok(embeddings.every((each) => each.length === 384 && Math.abs(length(each) - 1) < 1e-3));
});

test("ai sdk: thoughts come apart", async () => {
  const asked = { model: provider("thinker"), prompt: FRANCE, temperature: 0, maxOutputTokens: 24 };
  assert.match((await generateText(asked)).reasoningText, /Paris/);
  const stream = streamText(asked);
  let thought = "";
  for await (const part of stream.fullStream) if (part.type === "reasoning-delta") thought += part.text;
  assert.match(thought, /Paris/);
});

test("ai sdk: a stream that is broken off frees its slot", async () => {
  const leaving = new AbortController();
  const asked = { model: provider("thinker"), prompt: "Tell a story.", maxOutputTokens: 700 };
  const stream = streamText({ ...asked, abortSignal: leaving.signal });
  for await (const part of stream.fullStream) {
    if (part.type === "reasoning-delta" || part.type === "text-delta") leaving.abort();
  }
  assert.ok((await generateText({ ...asked, prompt: FRANCE, maxOutputTokens: 8 })).reasoningText);
});

test("ai sdk: what is wrong is an APICallError with its status", async () => {
  const failing = (model, statusCode, from = provider) =>
    assert.rejects(
      generateText({ model: from(model), prompt: "hello", maxRetries: 0 }),
      (error) => APICallError.isInstance(error) && error.statusCode === statusCode,
    );
  await failing("nobody", 400);
  await failing("broken", 503);
  const as = (apiKey) => createOpenAICompatible({ name: "lmctl", baseURL, apiKey });
  await failing("chat", 401, as("wrong"));
  await failing("chat", 403, as(process.env.LMCTL_TEST_READER));
});
