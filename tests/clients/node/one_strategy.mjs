// Sends one strategy to a real engine with the official Node client: plain, streamed, with tools, and aborted.
import OpenAI from "openai";

const [baseURL, model, request] = process.argv.slice(2);
const { strategy, messages, endless, weather, tools } = JSON.parse(request);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const fields = { model, messages, strategy, max_tokens: 10, temperature: 0, cache: "no-store" };

const plain = await client.chat.completions.create(fields);
const helper = client.chat.completions.stream(fields);
const streamed = await helper.finalChatCompletion().catch(() => helper.currentChatCompletionSnapshot);
const called = await client.chat.completions
  .create({ ...fields, messages: weather, tools, max_tokens: 40 })
  .then((answer) => answer.choices[0].message.tool_calls[0].function.name)
  .catch((error) => `${error.constructor.name} ${error.param}`);

const controller = new AbortController();
setTimeout(() => controller.abort(), 500);
const aborted = await client.chat.completions
  .create({ ...fields, ...endless, max_tokens: 1500 }, { signal: controller.signal })
  .catch((error) => error.constructor.name);

console.log(JSON.stringify({
  strategy: plain.cogitate.strategy,
  text: plain.choices[0].message.content,
  streamed: streamed.choices[0].message.content,
  called,
  aborted,
}));
