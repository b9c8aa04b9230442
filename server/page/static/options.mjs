// The options of a strategy as fields of a form, from its JSON schema. Pure.

const MAIN = ["n", "stop_rule", "verifier", "method", "weights", "width", "rounds", "loops", "max_thinking", "waits"];
const NOT_SHOWN = new Set(["name", "return_candidates"]);

/** The fields that are shown at once, and the rest. Lists and objects have none: they are for the API. */
export function listFields(schema) {
  const properties = Object.entries(schema?.properties ?? {});
  const fields = properties.map(([name, property]) => toField(name, property)).filter(Boolean);
  const main = MAIN.map((name) => fields.find((field) => field.name === name)).filter(Boolean).slice(0, 4);
  return { main, rest: fields.filter((field) => !main.includes(field)) };
}

function toField(name, property) {
  if (NOT_SHOWN.has(name)) return null;
  const form = property.anyOf?.find((each) => each.type !== "null") ?? property;
  const base = { name, note: property.description ?? "", fallback: describeDefault(property.default) };
  if (form.enum) return { ...base, kind: "choice", choices: form.enum.map(String) };
  if (form.type === "boolean") return { ...base, kind: "choice", choices: ["true", "false"], isBoolean: true };
  if (form.type === "integer" || form.type === "number") return { ...base, kind: form.type, min: form.minimum, max: form.maximum };
  return form.type === "string" ? { ...base, kind: "text" } : null;
}

function describeDefault(value) {
  return value === null || value === undefined ? "default" : String(value);
}

/** The value that is sent; undefined: the field is left to its default. */
export function readOption(option, text) {
  if (text === "") return undefined;
  if (option.isBoolean) return text === "true";
  return option.kind === "integer" || option.kind === "number" ? Number(text) : text;
}
