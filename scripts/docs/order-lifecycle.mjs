// `docs/order-lifecycle.md`, from the tables of steps in src/orders/order-status.ts.
import { createRequire } from 'node:module';
import { page, table } from './markdown.mjs';

const { holdSteps, isCounted, orderSteps } = createRequire(import.meta.url)('../../dist/orders/order-status.js');

export function orderLifecycle() {
  const holds = [...new Set(holdSteps.flatMap(({ from, to }) => [from, to]))];
  return page(
    '# Life of an order',
    'An order has a status, which a client sees, and a hold, which says what its quantity means for the stock. Both ' +
      'only move forward, along the steps on this page; the database refuses combinations that make no sense.',
    '## Status',
    diagram(orderSteps),
    table(
      ['From', 'To', 'When', 'Its hold becomes'],
      orderSteps.map(({ from, to, when, hold }) => [code(from), code(to), when, code(hold)]),
    ),
    '## Hold',
    diagram(holdSteps),
    table(
      ['From', 'To', 'When'],
      holdSteps.map(({ from, to, when }) => [code(from), code(to), when]),
    ),
    `An order in ${holds.filter(isCounted).map(code).join(' or ')} is part of its product's \`reserved_quantity\`; in ` +
      `${holds
        .filter((hold) => !isCounted(hold))
        .map(code)
        .join(' or ')} it no longer is.`,
  );
}

/** Several reasons for the same step share an arrow; a state that nothing leaves is final. */
function diagram(steps) {
  const arrows = new Map();
  for (const { from, to, when } of steps)
    arrows.set(`${from} --> ${to}`, [...(arrows.get(`${from} --> ${to}`) ?? []), when]);
  const left = new Set(steps.map(({ from }) => from));
  const reached = new Set(steps.map(({ to }) => to));
  const lines = [
    ...[...left].filter((state) => !reached.has(state)).map((state) => `[*] --> ${state}`),
    ...[...arrows].map(([arrow, reasons]) => `${arrow} : ${reasons.join('<br/>or ')}`),
    ...[...reached].filter((state) => !left.has(state)).map((state) => `${state} --> [*]`),
  ];
  return ['```mermaid', 'stateDiagram-v2', ...lines.map((line) => `    ${line}`), '```'].join('\n');
}

function code(text) {
  return `\`${text}\``;
}
