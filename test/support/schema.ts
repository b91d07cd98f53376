/** The part of an OpenAPI schema that ours use. */
export interface Schema {
  $ref?: string;
  type?: string;
  nullable?: boolean;
  enum?: unknown[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  example?: unknown;
}

/** Schemas by name, `#/components/schemas`. */
export type Schemas = Record<string, Schema>;

export function resolved(schema: Schema, schemas: Schemas): Schema {
  return schema.$ref === undefined ? schema : schemas[schema.$ref.split('/').at(-1)!]!;
}

/** Where a value is not what its schema says; a field that the schema does not name is a mismatch too. */
export function mismatches(reference: Schema, value: unknown, schemas: Schemas, path = 'body'): string[] {
  const schema = resolved(reference, schemas);
  if (value === null) return schema.nullable ? [] : [`${path} is null`];
  if (typeOf(value) !== schema.type && !(schema.type === 'integer' && Number.isInteger(value)))
    return [`${path} is of type ${typeOf(value)}, not ${schema.type}`];
  if (schema.enum && !schema.enum.includes(value)) return [`${path} is none of ${schema.enum.join(', ')}`];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => mismatches(schema.items ?? {}, item, schemas, `${path}[${index}]`));
  }
  if (typeof value !== 'object') return [];
  const missing = (schema.required ?? [])
    .filter((name) => !(name in value))
    .map((name) => `${path}.${name} is missing`);
  const own = Object.entries(value).flatMap(([name, item]) => {
    const documented = schema.properties?.[name] ?? schema.additionalProperties;
    if (documented === true) return [];
    return documented
      ? mismatches(documented, item, schemas, `${path}.${name}`)
      : [`${path}.${name} is not documented`];
  });
  return [...missing, ...own];
}

/** An example of the value a schema describes, of the fields that have one. */
export function exampleOf(reference: Schema, schemas: Schemas): unknown {
  const schema = resolved(reference, schemas);
  if (schema.example !== undefined || schema.type === undefined) return schema.example;
  if (schema.type === 'array') return [exampleOf(schema.items!, schemas)];
  if (schema.type !== 'object') return undefined;
  const fields = Object.entries(schema.properties ?? {}).map(([name, property]) => [
    name,
    exampleOf(property, schemas),
  ]);
  return Object.fromEntries(fields.filter(([, example]) => example !== undefined));
}

function typeOf(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value;
}
