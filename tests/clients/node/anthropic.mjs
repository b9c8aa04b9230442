// Uses the official Anthropic client for Node against the server at a base URL. Prints the results as one JSON object.
import Anthropic from "@anthropic-ai/sdk";

const [baseURL, model] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey: "none", maxRetries: 0 });
const question = (content) => [{ role: "user", content }];
const strategy = { name: "self_consistency", n: 3, stop_rule: "none" };
const fields = { model, max_tokens: 256, messages: question("What is 6*7?"), strategy };
const tools = [{ name: "weather", input_schema: { type: "object", properties: {} } }];
const results = {};

const message = await client.messages.create(fields);
results.message = { text: message.content[0].text, candidates: message.cogitate.candidates };

const events = [];
for await (const event of await client.messages.create({ ...fields, stream: true, cache: "no-store" })) {
  events.push(event.type);
  if (event.type === "message_delta") results.usage = event.usage.output_tokens;
}
results.events = events;

const helper = await client.messages.stream({ ...fields, cache: "no-store" }).finalMessage();
results.helper = { text: helper.content[0].text, stop: helper.stop_reason, tokens: helper.usage.output_tokens };

const thoughtful = { ...fields, strategy: { name: "chain_of_thought", reasoning: "separate" } };
const thinking = await client.messages.stream(thoughtful).finalMessage();
results.thinking = thinking.content.map((block) => [block.type, block.thinking ?? block.text]);

const weather = { ...fields, tools, messages: question("How is the weather?") };
const call = await client.messages.stream(weather).finalMessage();
results.call = { stop: call.stop_reason, name: call.content[0].name, input: call.content[0].input };
const turns = [
  ...weather.messages,
  { role: "assistant", content: call.content },
  { role: "user", content: [{ type: "tool_result", tool_use_id: call.content[0].id, content: "What is 6*7?" }] },
];
results.turns = (await client.messages.create({ ...weather, messages: turns })).stop_reason;

results.count = (await client.messages.countTokens({ model, messages: fields.messages })).input_tokens;

results.errors = [];
for (const invalid of [{ model: "nothing" }, { temperature: 9 }, { strategy: "magic" }, { mcp_servers: [{}] }]) {
  try {
    await client.messages.create({ ...fields, ...invalid });
  } catch (error) {
    results.errors.push([error.constructor.name, error.status, error.error.error.type, error.error.error.param]);
  }
}

const controller = new AbortController();
setTimeout(() => controller.abort(), 300);
try {
  await client.messages.create({ ...fields, messages: question("Tell me a long story.") }, { signal: controller.signal });
} catch (error) {
  results.aborted = error.constructor.name;
}
console.log(JSON.stringify(results));
