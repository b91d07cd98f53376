import { brokerFaults } from './broker';
import { databaseFaults } from './database';
import type { Fault } from './fault';
import { freezes } from './freezes';
import { kills } from './kills';
import { messageFaults } from './messages';
import { vendorFaults } from './vendors';

/** Every fault there is, each alone in a full run. */
export const FAULTS: Fault[] = [
  ...kills,
  ...freezes,
  ...brokerFaults,
  ...databaseFaults,
  ...vendorFaults,
  ...messageFaults,
];

/** The short form leaves out what differs from another only in the layer it is seen at, or takes long by its nature. */
const NOT_IN_SHORT = new Set([
  'kill-worker-calling',
  'kill-worker-answering',
  'kill-worker-concluded',
  'kill-api-placing',
  'freeze-answering',
  'broker-stopped',
  'database-cut',
  'network-slow',
  'vendor-errors',
  'vendor-500',
  'vendor-redirects',
  'vendor-refuses',
]);

export const SHORT_FAULTS = FAULTS.filter(({ name }) => !NOT_IN_SHORT.has(name));
