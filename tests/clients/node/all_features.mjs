// What a user of the official client for Node does, against the server at the given base URL. Prints one JSON object.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const says = (content) => [{ role: "user", content }];
const messages = says("What is 6*7?");
const strategy = { name: "self_consistency", n: 3, stop_rule: "none" };
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
const told = {};

const whole = await client.chat.completions.create({ model, messages, strategy });
told.chat = { text: whole.choices[0].message.content, candidates: whole.cogitate.candidates };

let text = "";
let usage = null;
const options = { include_usage: true };
for await (const chunk of await client.chat.completions.create({
  model, messages, strategy, stream: true, stream_options: options, cache: "no-store",
})) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
told.stream = { text, usage };

const runner = client.chat.completions.stream({ model: `${model}@chain_of_thought`, messages });
told.helper = (await runner.finalChatCompletion()).choices[0].message.content;

const called = await client.chat.completions.create({ model, messages: says("How is the weather?"), tools, strategy });
told.call = called.choices[0].message.tool_calls?.[0]?.function ?? null;

const Answer = z.object({ city: z.string(), days: z.number() });
const parsed = await client.chat.completions.parse({
  model, messages: says("Answer in JSON."), strategy, response_format: zodResponseFormat(Answer, "answer"),
});
told.parsed = parsed.choices[0].message.parsed;

const spoken = await client.responses.create({ model, input: "What is 6*7?", strategy });
told.response = { text: spoken.output_text, status: spoken.status };

told.models = [];
for await (const card of client.models.list()) told.models.push(card.id);

told.errors = [];
for (const wrong of [{ model: "nothing" }, { temperature: 9 }, { strategy: "magic" }, { n: 99 }]) {
  try {
    await client.chat.completions.create({ model, messages, strategy, ...wrong });
  } catch (error) {
    told.errors.push([error.constructor.name, error.status, error.param]);
  }
}

const leaving = new AbortController();
setTimeout(() => leaving.abort(), 300);
try {
  await client.chat.completions.create({ model, messages: says("Tell me a long story."), strategy }, { signal: leaving.signal });
} catch (error) {
  told.aborted = error.constructor.name;
}
console.log(JSON.stringify(told));
