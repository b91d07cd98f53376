import { Refusal } from '../../http/refusal';

export class DeadLetterNotFound extends Refusal {
  readonly code = 'DEAD_LETTER_NOT_FOUND';

  constructor(deadLetterId: string) {
    super(`There is no dead letter ${deadLetterId}.`);
  }
}

export class DeadLetterNotDismissable extends Refusal {
  readonly code = 'DEAD_LETTER_NOT_DISMISSABLE';

  constructor(orderId: string) {
    super(`It is about order ${orderId}: replay it, or decide about the order's case.`);
  }
}

export class DeadLetterNotReplayable extends Refusal {
  readonly code = 'DEAD_LETTER_NOT_REPLAYABLE';

  /** `why` is a sentence. */
  constructor(why: string) {
    super(why);
  }
}
