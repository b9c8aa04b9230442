// The official client for Node against a real engine, in a few tokens: the same strategy asked in four ways.
import OpenAI from "openai";

const [baseURL, model, asked] = process.argv.slice(2);
const { strategy, messages, endless, calling, tools } = JSON.parse(asked);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const few = { model, messages, strategy, max_tokens: 10, temperature: 0, cache: "no-store" };

const whole = await client.chat.completions.create(few);
const helper = client.chat.completions.stream(few);
const streamed = await helper.finalChatCompletion().catch(() => helper.currentChatCompletionSnapshot);
const called = await client.chat.completions
  .create({ ...few, messages: calling, tools, max_tokens: 40 })
  .then((answer) => answer.choices[0].message.tool_calls[0].function.name)
  .catch((error) => `${error.constructor.name} ${error.param}`);

const leaving = new AbortController();
setTimeout(() => leaving.abort(), 500);
const aborted = await client.chat.completions
  .create({ ...few, ...endless, max_tokens: 1500 }, { signal: leaving.signal })
  .catch((error) => error.constructor.name);

console.log(JSON.stringify({
  strategy: whole.cogitate.strategy,
  text: whole.choices[0].message.content,
  streamed: streamed.choices[0].message.content,
  called,
  aborted,
}));
