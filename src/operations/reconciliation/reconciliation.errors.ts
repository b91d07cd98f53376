import { Refusal } from '../../http/refusal';

export class CaseNotFound extends Refusal {
  readonly code = 'CASE_NOT_FOUND';

  constructor(caseId: string) {
    super(`There is no case ${caseId}.`);
  }
}

export class CaseNotOpen extends Refusal {
  readonly code = 'CASE_NOT_OPEN';

  constructor(caseId: string) {
    super(`The case ${caseId} is resolved already.`);
  }
}

export class CaseOutdated extends Refusal {
  readonly code = 'CASE_OUTDATED';

  /** `why` is a sentence. */
  constructor(caseId: string, why: string) {
    super(`The case ${caseId} tells of something that has changed since: ${why} Nothing was done; reconcile again.`);
  }
}

export class ReconciliationRunNotFound extends Refusal {
  readonly code = 'RECONCILIATION_RUN_NOT_FOUND';

  constructor(reconciliationRunId: string) {
    super(`There is no reconciliation run ${reconciliationRunId}.`);
  }
}
