import { Refusal } from '../http/refusal';

/** A list or search that read too much for its time. */
export class ListTooSlow extends Refusal {
  readonly code = 'OVERLOADED';

  constructor(options: ErrorOptions) {
    super('The list took longer than two seconds. Narrow its filters, or try again.', options);
  }
}
