import type { Violation } from '../checker/evidence';
import type { Fault } from '../faults/fault';

/** A fault lights exactly the alerts that it names. */
export function checkAlerts(
  { alerts = [], perhaps = [] }: Pick<Fault, 'alerts' | 'perhaps'>,
  lit: string[],
): Violation[] {
  const known: string[] = [...alerts, ...perhaps];
  return [
    ...alerts.filter((alert) => !lit.includes(alert)).map((alert) => violation(`${alert} was not lit`)),
    ...lit.filter((alert) => !known.includes(alert)).map((alert) => violation(`${alert} was lit too`)),
  ];
}

function violation(detail: string): Violation {
  return { check: 'a fault lights its alerts and no others', harm: 'other', detail };
}
