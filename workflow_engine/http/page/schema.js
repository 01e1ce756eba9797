// JSON Schema as a form reads it: what kind of field a schema asks for, what it holds before anybody typed, what fits.

/** A schema without references: what it refers to, with what stands beside the reference. */
export function resolve(schema, root) {
  let here = schema === true || schema == null ? {} : schema;
  for (let hops = 0; here.$ref && hops < 20; hops++) {
    const { $ref, ...beside } = here;
    const found = $ref.replace(/^#\/?/, "").split("/").filter(Boolean)
      .reduce((part, name) => part?.[name.replaceAll("~1", "/").replaceAll("~0", "~")], root);
    here = { ...(found ?? {}), ...beside };
  }
  if (here.allOf?.length === 1) {
    const { allOf, ...beside } = here;
    here = { ...resolve(allOf[0], root), ...beside };
  }
  return here;
}

const isNull = (schema) => schema.type === "null" || ("const" in schema && schema.const === null);
const fixed = (schema) => ("const" in schema ? [schema.const] : schema.enum);

/**
 * What a schema asks for: {kind, schema, nullable, ...}. Kinds: choice (options), union (variants), object (fields),
 * map (values), list (items), tuple (items), many (options), boolean, number, text, json.
 */
export function asks(given, root) {
  let schema = resolve(given, root);
  let nullable = false;
  let variants = schema.anyOf ?? schema.oneOf;
  if (!variants && Array.isArray(schema.type)) variants = schema.type.map((type) => ({ ...schema, type }));
  if (variants) {
    const every = variants.map((each) => resolve(each, root));
    const rest = every.filter((each) => !isNull(each));
    nullable = rest.length < every.length;
    const { anyOf, oneOf, discriminator, type, ...beside } = schema;
    if (rest.length === 1) {
      const inner = asks(rest[0], root);
      return { ...inner, nullable: nullable || inner.nullable, schema: { ...inner.schema, ...beside } };
    }
    if (rest.length && rest.every(fixed)) return { kind: "choice", options: rest.flatMap(fixed), schema: beside, nullable };
    return { kind: "union", variants: rest, schema: beside, nullable };
  }
  const options = fixed(schema);
  if (options) {
    const rest = options.filter((each) => each !== null);
    return { kind: "choice", options: rest, schema, nullable: rest.length < options.length };
  }
  switch (schema.type ?? (schema.properties ? "object" : undefined)) {
    case "object":
      if (schema.properties) return { kind: "object", fields: schema.properties, schema };
      return { kind: "map", values: schema.additionalProperties ?? {}, schema };
    case "array": {
      if (schema.prefixItems) return { kind: "tuple", items: schema.prefixItems, schema };
      const items = resolve(schema.items ?? {}, root);
      if (schema.uniqueItems && fixed(items)) return { kind: "many", options: fixed(items), schema };
      return { kind: "list", items: schema.items ?? {}, schema };
    }
    case "boolean": return { kind: "boolean", schema };
    case "integer":
    case "number": return { kind: "number", schema };
    case "string": return { kind: "text", schema };
    case "null": return { kind: "choice", options: [], schema, nullable: true };
    default: return { kind: "json", schema };
  }
}

/** What a field holds before anybody typed. `undefined` is nothing yet, and is not sent. */
export function blank(given, root, depth = 0) {
  const asked = asks(given, root);
  if ("default" in asked.schema) return structuredClone(asked.schema.default);
  if (asked.nullable) return null;
  switch (asked.kind) {
    case "choice": return asked.options.length === 1 ? asked.options[0] : undefined;
    case "object": {
      if (depth > 8) return {};
      const required = new Set(asked.schema.required ?? []);
      const made = {};
      for (const [name, field] of Object.entries(asked.fields)) {
        const value = blank(field, root, depth + 1);
        if (value !== undefined && (required.has(name) || "default" in asks(field, root).schema)) made[name] = value;
      }
      return made;
    }
    case "union": return blank(asked.variants[0], root, depth + 1);
    case "tuple": return asked.items.map((each) => blank(each, root, depth + 1) ?? null);
    case "list": case "many": return [];
    case "map": return {};
    case "boolean": return false;
    default: return undefined;
  }
}

/** Whether a value could be of a schema, as far as a form must know to show the right variant of a union. */
export function fits(value, given, root) {
  const asked = asks(given, root);
  if (value === null) return Boolean(asked.nullable);
  switch (asked.kind) {
    case "choice": return asked.options.some((each) => JSON.stringify(each) === JSON.stringify(value));
    case "union": return asked.variants.some((each) => fits(value, each, root));
    case "object":
      return typeof value === "object" && !Array.isArray(value)
        && (asked.schema.required ?? []).every((name) => name in value || !fixed(resolve(asked.fields[name], root)))
        && Object.entries(value).every(([name, part]) => {
          const field = asked.fields[name] && resolve(asked.fields[name], root);
          return field ? !fixed(field) || fits(part, field, root) : asked.schema.additionalProperties !== false;
        })
        && Object.keys(value).filter((name) => name in asked.fields).length >= Math.min(1, Object.keys(asked.fields).length);
    case "map": return typeof value === "object" && !Array.isArray(value);
    case "list": case "many": case "tuple": return Array.isArray(value);
    case "boolean": return typeof value === "boolean";
    case "number": return typeof value === "number" && (asked.schema.type !== "integer" || Number.isInteger(value));
    case "text": return typeof value === "string";
    default: return true;
  }
}

/** The complaints of a server, by the field they name: "package: 'X' does not match; files.0.path: …". */
export function complaints(problem, schema) {
  const found = {};
  const names = Object.keys(asks(schema, schema).fields ?? {}).map((name) => name.replace(/[^\w]/g, "\\$&"));
  if (!names.length) return found;
  const place = new RegExp(`(?:^|[\\s:;,])((?:${names.join("|")})(?:[.\\[][\\w.\\[\\]-]*)?): (.+)$`);
  for (const part of [problem.message, problem.detail].join("; ").split(/; |\n/)) {
    const [, path, words] = place.exec(part) ?? [];
    const missing = /'([\w-]+)' is a required property/.exec(part)?.[1];
    const at = path?.replaceAll("[", ".").replaceAll("]", "");
    if (missing) found[at ? `${at}.${missing}` : missing] ??= "is needed";
    else if (at) found[at] ??= words;
  }
  return found;
}
