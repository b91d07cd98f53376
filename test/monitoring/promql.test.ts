import { namesIn } from './promql';

it.each([
  ['up == 0', ['up'], []],
  ['max by (vendor) (holdfast_queue_depth{vendor=~"a|by (b)"}) > 1e3', ['holdfast_queue_depth'], ['vendor']],
  ['histogram_quantile(0.95, sum by (le) (rate(a_bucket{m="POST"}[5m])))', ['a_bucket'], ['m', 'le']],
  ['a:b:ratio_5m > 0.1 and on (x) sum by (y) (increase(c[5m])) > 20', ['a:b:ratio_5m', 'c'], ['x', 'y']],
  ['sum(ALERTS{alertstate="firing"}) or vector(0)', ['ALERTS'], ['alertstate']],
  ['a unless on (v) sum by (v) (b{s="open"}) > 0', ['a', 'b'], ['s', 'v']],
])('%s asks for its metrics and labels', (expr, metrics, labels) => {
  expect(namesIn(expr)).toEqual({ metrics, labels });
});
