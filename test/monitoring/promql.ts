/** Words of PromQL that are neither metrics nor labels. */
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan']);
const MATCHERS = /\{([^}]*)\}/g;
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/g;

/** Names of metrics and labels that an expression asks for. As much of a parser as our own expressions need. */
export function namesIn(expr: string): { metrics: string[]; labels: string[] } {
  const plain = expr.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  const labels = [...plain.matchAll(MATCHERS)].flatMap(([, matchers]) => matchers!.match(NAME) ?? []);
  labels.push(...[...plain.matchAll(GROUPING)].flatMap(([, names]) => names!.match(NAME) ?? []));
  const rest = plain
    .replace(MATCHERS, ' ')
    .replace(GROUPING, ' ')
    .replace(/\[[^\]]*\]/g, ' ')
    .replace(/[a-z_]+\s*\(/g, '(')
    .replace(/\b(?:by|without)\b/g, ' ')
    .replace(/\b\d[\w.]*/g, ' ');
  const metrics = (rest.match(NAME) ?? []).filter((name) => !WORDS.has(name) && name !== aggregation(name));
  return { metrics: [...new Set(metrics)], labels: [...new Set(labels)] };
}

/** With its grouping in front (`sum by (x) (…)`), a function's name no longer stands before its bracket. */
function aggregation(name: string): string | undefined {
  return ['sum', 'max', 'min', 'avg', 'count', 'topk'].find((each) => each === name);
}
