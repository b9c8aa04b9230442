// Uses each feature of the official Node client against the server at a base URL. Prints the results as one JSON object.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const question = (content) => [{ role: "user", content }];
const messages = question("What is 6*7?");
const strategy = { name: "self_consistency", n: 3, stop_rule: "none" };
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
const results = {};

const chat = await client.chat.completions.create({ model, messages, strategy });
results.chat = { text: chat.choices[0].message.content, candidates: chat.cogitate.candidates };

let text = "";
let usage = null;
const options = { include_usage: true };
for await (const chunk of await client.chat.completions.create({
  model, messages, strategy, stream: true, stream_options: options, cache: "no-store",
})) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
results.stream = { text, usage };

const runner = client.chat.completions.stream({ model: `${model}@chain_of_thought`, messages });
results.helper = (await runner.finalChatCompletion()).choices[0].message.content;

const weather = await client.chat.completions.create({
  model, messages: question("How is the weather?"), tools, strategy,
});
results.call = weather.choices[0].message.tool_calls?.[0]?.function ?? null;

const Trip = z.object({ city: z.string(), days: z.number() });
const trip = await client.chat.completions.parse({
  model, messages: question("Answer in JSON."), strategy, response_format: zodResponseFormat(Trip, "answer"),
});
results.parsed = trip.choices[0].message.parsed;

const response = await client.responses.create({ model, input: "What is 6*7?", strategy });
results.response = { text: response.output_text, status: response.status };

results.models = [];
for await (const card of client.models.list()) results.models.push(card.id);

results.errors = [];
for (const invalid of [{ model: "nothing" }, { temperature: 9 }, { strategy: "magic" }, { n: 99 }]) {
  try {
    await client.chat.completions.create({ model, messages, strategy, ...invalid });
  } catch (error) {
    results.errors.push([error.constructor.name, error.status, error.param]);
  }
}

const controller = new AbortController();
setTimeout(() => controller.abort(), 300);
try {
  const story = { model, messages: question("Tell me a long story."), strategy };
  await client.chat.completions.create(story, { signal: controller.signal });
} catch (error) {
  results.aborted = error.constructor.name;
}
console.log(JSON.stringify(results));
