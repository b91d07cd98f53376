import { Refusal } from '../../http/refusal';

export class SyncRunNotFound extends Refusal {
  readonly code = 'SYNC_RUN_NOT_FOUND';

  constructor(vendorId: string, syncRunId: string) {
    super(`There is no sync run ${syncRunId} of the vendor ${vendorId}.`);
  }
}

export class SyncNotHeld extends Refusal {
  readonly code = 'SYNC_NOT_HELD';

  constructor(syncRunId: string, status: string) {
    super(`The sync run ${syncRunId} is ${status}: nothing of it waits for a decision.`);
  }
}

export class SyncSuperseded extends Refusal {
  readonly code = 'SYNC_SUPERSEDED';

  constructor(syncRunId: string) {
    super(`Something newer than the sync run ${syncRunId} was listed: look at the vendor's later runs.`);
  }
}
