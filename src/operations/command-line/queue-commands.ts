import type { Command } from 'commander';
import type { Queue, Queues } from '../queues/queue-queries';
import type { Desk } from './session';
import { type Column, listText } from './table';

const COLUMNS: Column<Queue>[] = [
  ['vendor', ({ vendorId }) => vendorId],
  ['ready', ({ ready }) => ready],
  ['in flight', ({ inFlight }) => inFlight],
  ['scheduled', ({ scheduled }) => scheduled],
  ['oldest (s)', ({ oldestSeconds }) => oldestSeconds],
  ['paused', ({ paused }) => paused],
];

export function queueCommands(program: Command, desk: Desk): void {
  desk.does(program.command('queues').description('what waits where, counted now'), async ({ api, screen }) => {
    const queues = await api.get<Queues>('/v1/queues');
    const { vendors, outbox, deadLetters } = queues;
    const table = vendors.length === 0 ? 'There are no vendors.' : listText(vendors, COLUMNS);
    const rest = `Outbox: ${outbox.pending} due, the oldest for ${outbox.oldestSeconds} s. Dead letters: ${deadLetters} open.`;
    screen.tell(`${table}\n\n${rest}`, queues);
  });
}
