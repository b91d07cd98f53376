import { describe } from '../../delivery';

/** AMQP 0-9-1. */
const ACCESS_REFUSED = 403;
const PRECONDITION_FAILED = 406;
/** Vendors that a sentence names; of the others it says how many. */
const NAMED_MAX = 3;
/** Causes that a report tells of, the most frequent first. */
const CAUSES_MAX = 2;
/** The broker's own words, which may quote anything. */
const WORDS_MAX = 200;

/** Why a vendor's queue is not consumed as it shall be. */
export interface QueueFault {
  vendorId: string;
  /** The same for all that lack the same, for the same reason. */
  cause: 'unanswered' | 'consumers' | `refused${string}`;
  /** What follows on the vendors' names. */
  words: string;
}

export function refused(vendorId: string, queue: string, error: unknown): QueueFault {
  const code = (error as { code?: unknown }).code;
  const words = describe(error).slice(0, WORDS_MAX);
  return {
    vendorId,
    cause: `refused${typeof code === 'number' ? ` ${code}` : `: ${words}`}`,
    words: `the broker refuses the queue ${queue}: ${words}${adviceOn(code, words)}`,
  };
}

export function unanswered(vendorId: string, forMs: number): QueueFault {
  const seconds = Math.round(forMs / 1000);
  return {
    vendorId,
    cause: 'unanswered',
    words:
      `the broker has not answered the declaration for ${seconds} s, as when it has no file descriptors left: ` +
      'raise its limit (ulimit -n; a queue takes 3) or add nodes, and restart it',
  };
}

export function lacksConsumers(vendorId: string, open: number, wanted: number): QueueFault {
  return { vendorId, cause: 'consumers', words: `has ${open} of ${wanted} consumers` };
}

/** In a few hundred characters, however many vendors there are: which, why, and what to do. Undefined of none. */
export function reportOf(faults: readonly QueueFault[]): string | undefined {
  const byCause = new Map<string, QueueFault[]>();
  for (const fault of faults) byCause.set(fault.cause, [...(byCause.get(fault.cause) ?? []), fault]);
  const causes = [...byCause.values()].toSorted((one, other) => other.length - one.length);
  const told = causes.slice(0, CAUSES_MAX).map(sentenceOf);
  const others = causes.slice(CAUSES_MAX).reduce((sum, { length }) => sum + length, 0);
  if (others > 0) told.push(`${others} more for other reasons`);
  return told.length === 0 ? undefined : told.join('; ');
}

/** `acme, globex, initech and 195 more` */
export function named(vendorIds: readonly string[]): string {
  const first = vendorIds.slice(0, NAMED_MAX).join(', ');
  return vendorIds.length > NAMED_MAX ? `${first} and ${vendorIds.length - NAMED_MAX} more` : first;
}

function sentenceOf(faults: readonly QueueFault[]): string {
  const [{ cause, words }] = faults as [QueueFault];
  const who = `${faults.length === 1 ? 'vendor' : `${faults.length} vendors:`} ${named(faults.map(({ vendorId }) => vendorId))}`;
  if (cause !== 'consumers') return `no queue for ${who} (${words})`;
  return faults.length === 1 ? `${who} ${words}` : `too few consumers for ${who} (the first ${words})`;
}

function adviceOn(code: unknown, words: string): string {
  if (code === ACCESS_REFUSED) return ': give our user the permissions to configure, write and read it';
  if (/limit/i.test(words)) return ': raise the limit of queues (rabbitmqctl set_vhost_limits)';
  if (code === PRECONDITION_FAILED) return ': somebody else has declared it, delete it once it is empty';
  return '';
}
