/** Reads the parameters of a request, strictly: one that is not known must not be ignored, for it asked for something. */

export type Query = Readonly<Record<string, string | string[] | undefined>>;

/** Answers the complaint about the first parameter that the dialect does not have here. */
export function unknownParameter(query: Query, known: readonly string[]): string | undefined {
  const unknown = Object.keys(query).find((name) => !known.includes(name));
  if (unknown === undefined) return undefined;
  const may = known.length > 0 ? `there are ${known.join(', ')}` : 'there are none';
  return `There is no parameter ${JSON.stringify(unknown)} here; ${may}.`;
}

/** The whole number a parameter says, or what stands in for it; undefined: it says none in these bounds. */
export function numberIn(value: Query[string], min: number, max: number, otherwise?: number): number | undefined {
  if (value === undefined) return otherwise;
  if (typeof value !== 'string' || !/^\d{1,16}$/.test(value)) return undefined;
  const number = Number(value);
  return number >= min && number <= max ? number : undefined;
}

/** ISO 8601 UTC, cut to milliseconds: earlier than what was said, so that nothing is left out. */
export function timeIn(value: Query[string]): number | undefined {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(value)) return undefined;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? undefined : ms;
}
