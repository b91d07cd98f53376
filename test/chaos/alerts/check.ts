import type { Violation } from '../checker/evidence';
import type { Fault } from '../faults/fault';

/** A fault lights exactly the alerts that it names. */
export function checkAlerts(faults: Pick<Fault, 'name' | 'alerts'>[], lit: string[]): Violation[] {
  const expected = new Set(faults.flatMap(({ alerts = [] }) => alerts));
  const missing = [...expected].filter((alert) => !lit.includes(alert));
  const others = lit.filter((alert) => !expected.has(alert));
  return [
    ...missing.map((alert) => violation(`${alert} was not lit`)),
    ...others.map((alert) => violation(`${alert} was lit too`)),
  ];
}

function violation(detail: string): Violation {
  return { check: 'a fault lights its alerts and no others', harm: 'other', detail };
}
