import { checkAlerts } from './alerts/check';
import { quickened } from './alerts/quickened';

describe('rules that judge ten times faster', () => {
  it('wait a tenth, look back a tenth, and compare ages with a tenth', () => {
    expect(quickened('for: 5m\n')).toBe('for: 30s\n');
    expect(quickened('rate(requests_total[1h])')).toBe('rate(requests_total[360s])');
    expect(quickened('max(holdfast_outbox_oldest_seconds) > 60')).toBe('max(holdfast_outbox_oldest_seconds) > 6');
    expect(quickened('clamp_min(3 * max(holdfast_stock_sync_interval_seconds), 300)')).toBe(
      'clamp_min(3 * max(holdfast_stock_sync_interval_seconds), 30)',
    );
  });

  it('keep their names, and what is no time', () => {
    const rule = 'holdfast:http_errors:ratio_5m > 14.4 * 0.001 and max(holdfast_queue_depth) > 1000';
    expect(quickened(rule)).toBe(rule);
  });
});

describe('what a fault lights', () => {
  const fault = { name: 'poison', alerts: ['DeadLetters'] };

  it('is exactly what it names', () => {
    expect(checkAlerts([fault], ['DeadLetters'])).toEqual([]);
  });

  it('is missed where it is dark, and named where it is another', () => {
    const details = checkAlerts([fault], ['BreakerOpen']).map(({ detail }) => detail);
    expect(details).toEqual(['DeadLetters was not lit', 'BreakerOpen was lit too']);
  });
});
