import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What comparing our books with the vendors' finds, who decided what about it, and whether our own books add up. */
export class Reconciliation1765000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
    for (const [of, comment] of Object.entries(comments))
      await runner.query(`COMMENT ON ${of} IS '${comment.replaceAll("'", "''")}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `DROP TABLE consistency_counts, reconciliation_revisits, reconciliation_marks, reconciliation_cases,
         reconciliation_parts, reconciliation_runs`,
    );
  }
}

const statements = [
  `CREATE TABLE reconciliation_runs (
    reconciliation_run_id varchar(36) COLLATE "C" PRIMARY KEY,
    vendor_id varchar(32) COLLATE "C" REFERENCES vendors,
    trigger varchar(16) NOT NULL CHECK (trigger IN ('schedule', 'attention', 'manual')),
    dry_run boolean NOT NULL DEFAULT false,
    requested_by varchar(200),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((trigger = 'manual') = (requested_by IS NOT NULL))
  )`,
  'CREATE INDEX reconciliation_runs_by_request ON reconciliation_runs (requested_at DESC, reconciliation_run_id DESC)',
  `CREATE TABLE reconciliation_parts (
    reconciliation_run_id varchar(36) COLLATE "C" NOT NULL REFERENCES reconciliation_runs ON DELETE CASCADE,
    vendor_id varchar(32) COLLATE "C" NOT NULL REFERENCES vendors,
    status varchar(16) NOT NULL DEFAULT 'pending'
      CHECK (status IN ('pending', 'running', 'succeeded', 'incomplete', 'failed')),
    token bigint,
    leased_until timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    compared integer NOT NULL DEFAULT 0,
    found integer NOT NULL DEFAULT 0,
    opened integer NOT NULL DEFAULT 0,
    closed integer NOT NULL DEFAULT 0,
    note varchar(1000),
    findings jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (reconciliation_run_id, vendor_id),
    CHECK ((status IN ('pending', 'running')) = (finished_at IS NULL)),
    CHECK ((status = 'running') = (leased_until IS NOT NULL))
  )`,
  `CREATE UNIQUE INDEX reconciliation_parts_running ON reconciliation_parts (vendor_id) WHERE status = 'running'`,
  `CREATE INDEX reconciliation_parts_unfinished ON reconciliation_parts (reconciliation_run_id, vendor_id)
     WHERE finished_at IS NULL`,
  `CREATE TABLE reconciliation_cases (
    case_id varchar(36) COLLATE "C" PRIMARY KEY,
    vendor_id varchar(32) COLLATE "C" NOT NULL REFERENCES vendors,
    order_id varchar(36) COLLATE "C",
    product_id varchar(161) COLLATE "C",
    kind varchar(32) NOT NULL,
    subject varchar(161) COLLATE "C" NOT NULL,
    essence varchar(300) NOT NULL,
    evidence jsonb NOT NULL,
    resolutions text[] NOT NULL CHECK (resolutions <> '{}'),
    claim_token bigint,
    status varchar(16) NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'resolved')),
    resolution varchar(32),
    note varchar(1000),
    actor varchar(200),
    resolved_with varchar(36) COLLATE "C",
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at timestamptz,
    CHECK ((status = 'open') = (resolved_at IS NULL)),
    CHECK ((status = 'open') = (resolution IS NULL)),
    CHECK ((status = 'open') = (actor IS NULL)),
    CHECK ((status = 'open') = (note IS NULL))
  )`,
  `CREATE UNIQUE INDEX reconciliation_cases_open ON reconciliation_cases (subject, kind) WHERE status = 'open'`,
  `CREATE INDEX reconciliation_cases_dismissed ON reconciliation_cases (subject, kind) WHERE resolution = 'dismiss'`,
  `CREATE INDEX reconciliation_cases_closed ON reconciliation_cases (resolved_at) WHERE resolution = 'gone'`,
  'CREATE INDEX reconciliation_cases_by_opening ON reconciliation_cases (opened_at DESC, case_id DESC)',
  'CREATE INDEX reconciliation_cases_by_status ON reconciliation_cases (status, opened_at DESC, case_id DESC)',
  'CREATE INDEX reconciliation_cases_by_kind ON reconciliation_cases (kind, opened_at DESC, case_id DESC)',
  'CREATE INDEX reconciliation_cases_by_vendor ON reconciliation_cases (vendor_id, opened_at DESC, case_id DESC)',
  `CREATE TABLE reconciliation_marks (
    vendor_id varchar(32) COLLATE "C" PRIMARY KEY REFERENCES vendors,
    created_at timestamptz NOT NULL,
    order_id varchar(36) COLLATE "C" NOT NULL
  )`,
  `CREATE TABLE reconciliation_revisits (
    order_id varchar(36) COLLATE "C" PRIMARY KEY REFERENCES orders,
    vendor_id varchar(32) COLLATE "C" NOT NULL
  )`,
  'CREATE INDEX reconciliation_revisits_by_vendor ON reconciliation_revisits (vendor_id, order_id)',
  `CREATE TABLE consistency_counts (
    scope varchar(16) PRIMARY KEY CHECK (scope IN ('recent', 'everything')),
    checked_at timestamptz NOT NULL,
    violation_count integer NOT NULL,
    violations jsonb NOT NULL
  )`,
];

const comments = {
  'TABLE reconciliation_runs': 'each comparison of our books with the vendors’, as it was asked for',
  'COLUMN reconciliation_runs.vendor_id': 'null: every vendor there was',
  'TABLE reconciliation_parts': 'a run’s work, one row a vendor; at most one of a vendor runs, over all workers',
  'COLUMN reconciliation_parts.token': 'fencing token: whoever lost it writes nothing',
  'COLUMN reconciliation_parts.compared': 'orders that were looked up in the vendor’s books',
  'COLUMN reconciliation_parts.findings': 'some of the differences; of a dry run the only trace of them',
  'TABLE reconciliation_cases':
    'differences between our books and a vendor’s, or within ours, and what an operator decided',
  'COLUMN reconciliation_cases.subject': 'what differs (an order, a product, a sync run): one open case of a kind each',
  'COLUMN reconciliation_cases.essence': 'what a dismissal covers: the same again opens no new case',
  'COLUMN reconciliation_cases.claim_token':
    'the order’s last dispatch when the vendor was asked: a later one outdates it',
  'COLUMN reconciliation_cases.actor': 'client of the API key that resolved it; system: it was found to be gone',
  'COLUMN reconciliation_cases.resolved_with': 'the API key; null: system',
  'COLUMN reconciliation_cases.checked_at': 'when it was last found to be so',
  'TABLE reconciliation_marks': 'a vendor’s orders up to this one have been compared, or are to be revisited',
  'TABLE reconciliation_revisits': 'orders to be compared once they have been decided for long enough',
  'TABLE consistency_counts': 'what the last counts of the invariants found',
  'COLUMN consistency_counts.violation_count': 'how many there are; of them the first are listed',
};
