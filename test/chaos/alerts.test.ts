import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkAlerts } from './alerts/check';
import { FAULTS } from './faults/all';
import type { Fault } from './faults/fault';
import { quickened } from './alerts/quickened';

describe('rules that judge ten times faster', () => {
  it('wait a tenth, look back a tenth, and compare ages with a tenth', () => {
    expect(quickened('for: 5m\n')).toBe('for: 30s\n');
    expect(quickened('rate(requests_total[1h])')).toBe('rate(requests_total[360s])');
    expect(quickened('max(holdfast_queue_oldest_seconds) > 300')).toBe('max(holdfast_queue_oldest_seconds) > 30');
    expect(quickened('clamp_min(3 * max(holdfast_stock_sync_interval_seconds), 300)')).toBe(
      'clamp_min(3 * max(holdfast_stock_sync_interval_seconds), 30)',
    );
  });

  it('wait for what mends itself in seconds, however quickly they judge', () => {
    expect(quickened('for: 1m\n')).toBe('for: 15s\n');
    expect(quickened('max(holdfast_outbox_oldest_seconds) > 60')).toBe('max(holdfast_outbox_oldest_seconds) > 15');
    expect(quickened('min_over_time(waiting[1m])')).toBe('min_over_time(waiting[6s])');
  });

  it('keep their names, and what is no time', () => {
    const rule = 'holdfast:http_errors:ratio_5m > 14.4 * 0.001 and max(holdfast_queue_depth) > 1000';
    expect(quickened(rule)).toBe(rule);
  });
});

describe('what a fault lights', () => {
  const fault = { alerts: ['HoldfastDeadLetters'], perhaps: ['HoldfastPlacementSlow'] } satisfies Partial<Fault>;

  it('is exactly what it names', () => {
    expect(checkAlerts(fault, ['HoldfastDeadLetters'])).toEqual([]);
    expect(checkAlerts(fault, ['HoldfastDeadLetters', 'HoldfastPlacementSlow'])).toEqual([]);
  });

  it('is missed where it is dark, and named where it is another', () => {
    const details = checkAlerts(fault, ['HoldfastBreakerOpen']).map(({ detail }) => detail);
    expect(details).toEqual(['HoldfastDeadLetters was not lit', 'HoldfastBreakerOpen was lit too']);
  });
});

describe('the runbooks', () => {
  const runbooks = readFileSync(join(__dirname, '..', '..', 'docs', 'operating.md'), 'utf8');
  const told = [...runbooks.matchAll(/^\|[^|]*\|([^|]*)\|\s*(`[^|]*`)\s*\|$/gm)].flatMap(([, lights, faults]) =>
    [...faults!.matchAll(/`([^`]+)`/g)].map(([, name]) => {
      const [sure = [], luck = []] = lights!.split('perhaps').map(alertsIn);
      return { name, alerts: sure, perhaps: luck };
    }),
  );

  it.each(FAULTS)('say what $name lights', ({ name, alerts = [], perhaps = [] }) => {
    expect(told.filter((row) => row.name === name)).toEqual([
      { name, alerts: alerts.toSorted(), perhaps: perhaps.toSorted() },
    ]);
  });
});

function alertsIn(text: string): string[] {
  return [...text.matchAll(/\[(\w+)\]/g)].map(([, name]) => `Holdfast${name}`).toSorted();
}
