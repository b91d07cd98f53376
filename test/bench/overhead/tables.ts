import { figure, spreadText, type Table } from '../report';
import { medianOf, spreadOf } from '../statistics';
import { keyOf, type Pair, SHAPES } from './pairs';
import { rateOf, type Round, type Side, type Which } from './round';

export function tablesOf(pairs: Pair[], rounds: Map<string, Round[]>): Table[] {
  const cases = pairs.flatMap((pair) =>
    SHAPES.map((shape) => ({ pair, what: `${pair.what}, ${shape}`, rounds: rounds.get(keyOf(pair, shape))! })),
  );
  return [
    {
      title: 'Orders a second with and without, each ratio of one round: median (min–max)',
      columns: ['', 'without', 'with', 'ratio', 'costs', 'target', ''],
      rows: cases.map(({ pair, what, rounds: of }) => ratioRow(pair, what, of)),
    },
    {
      title: 'What an order costs the API, and what of its spans has arrived',
      columns: ['', 'µs without', 'µs with', 'spans/order'],
      rows: cases.map(({ what, rounds: of }) => [
        what,
        figure(medianOf(of.map((round) => microsOf(round.without)))),
        figure(medianOf(of.map((round) => microsOf(round.with)))),
        figure(medianOf(of.map(({ spans, orders }) => spans / orders)), 2),
      ]),
    },
  ];
}

function ratioRow({ costMax }: Pair, what: string, rounds: Round[]): string[] {
  const rates = (which: Which) => spreadText(spreadOf(rounds.map((round) => rateOf(round[which]))));
  const ratio = spreadOf(rounds.map((round) => rateOf(round.with) / rateOf(round.without)));
  const cost = 1 - ratio.median;
  return [
    what,
    rates('without'),
    rates('with'),
    spreadText(ratio, 3),
    percent(cost),
    `< ${percent(costMax)}`,
    cost < costMax ? 'met' : 'missed',
  ];
}

/** Where there is no /proc it is not known. */
function microsOf({ apiCpuSeconds = NaN, orders }: Side): number {
  return (apiCpuSeconds / orders) * 1e6;
}

function percent(share: number): string {
  return `${figure(share * 100, 1)} %`;
}
