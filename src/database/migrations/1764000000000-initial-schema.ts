import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Hash partitions of `products`. Sixteen keep a million rows a partition in one vendor's reach of memory. */
const PRODUCT_PARTITIONS = 16;

/** The schema of the first release. Later migrations only add. */
export class InitialSchema1764000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...vendors, ...products(), ...orders, ...messaging, ...auth])
      await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE api_keys, dead_letters, outbox, idempotency_keys, dispatch_attempts, order_events,
      orders, stock_staging, stock_sync_runs, products, vendor_slots, vendors`);
    await runner.query('DROP SEQUENCE fencing_tokens');
    await runner.query('DROP TYPE hold_state, order_status');
  }
}

const vendors = [
  `CREATE TABLE vendors (
    vendor_id varchar(32) COLLATE "C" PRIMARY KEY CHECK (vendor_id ~ '^[a-z][a-z0-9-]{1,31}$'),
    name varchar(200) NOT NULL,
    kind varchar(32) NOT NULL,
    base_url varchar(2000) NOT NULL,
    enabled boolean NOT NULL,
    sync_interval_ms integer CHECK (sync_interval_ms > 0),
    max_concurrent_orders integer NOT NULL CHECK (max_concurrent_orders BETWEEN 1 AND 64),
    credential_env varchar(80) CHECK (credential_env ~ '^VENDOR_TOKEN_[A-Z0-9_]{1,60}$'),
    clock_margin_ms integer NOT NULL CHECK (clock_margin_ms >= 0),
    consistency_lag_ms integer NOT NULL CHECK (consistency_lag_ms >= 0),
    delivery_attempts_max integer CHECK (delivery_attempts_max > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    full_as_of timestamptz(3),
    clock_offset_ms bigint,
    synced_at timestamptz,
    sync_due_at timestamptz NOT NULL DEFAULT now(),
    sync_token bigint NOT NULL DEFAULT 0,
    sync_leased_until timestamptz
  )`,
  `COMMENT ON COLUMN vendors.sync_interval_ms IS 'null: the installation''s default'`,
  `COMMENT ON COLUMN vendors.full_as_of IS 'vendor''s clock: the last complete listing that was applied contains every order accepted before it'`,
  `COMMENT ON COLUMN vendors.clock_offset_ms IS 'the vendor''s usual offset to our clock; a listing far ahead of it is held'`,
  `COMMENT ON COLUMN vendors.synced_at IS 'our clock: start of the last poll that succeeded'`,
  `COMMENT ON COLUMN vendors.sync_token IS 'fencing token of the sync lease'`,
  `CREATE TABLE vendor_slots (
    vendor_id varchar(32) COLLATE "C" NOT NULL REFERENCES vendors,
    slot smallint NOT NULL,
    token bigint,
    leased_until timestamptz,
    PRIMARY KEY (vendor_id, slot)
  ) WITH (fillfactor = 50)`,
  `COMMENT ON TABLE vendor_slots IS 'one row for each call a vendor lets us have under way at once, over all workers'`,
];

const products = (): string[] => [
  `CREATE TABLE products (
    vendor_id varchar(32) COLLATE "C" NOT NULL REFERENCES vendors,
    product_id varchar(161) COLLATE "C" NOT NULL,
    sku varchar(128) COLLATE "C" NOT NULL,
    name varchar(500) NOT NULL,
    price numeric(12,2) NOT NULL CHECK (price >= 0),
    vendor_quantity integer NOT NULL CHECK (vendor_quantity >= 0),
    reserved_quantity integer NOT NULL DEFAULT 0 CHECK (reserved_quantity >= 0),
    stock_quantity integer NOT NULL GENERATED ALWAYS AS (GREATEST(vendor_quantity - reserved_quantity, 0)) STORED,
    listed boolean NOT NULL DEFAULT true,
    as_of timestamptz(3) NOT NULL,
    observed_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (vendor_id, product_id),
    CHECK (product_id = vendor_id || ':' || sku)
  ) PARTITION BY HASH (vendor_id)`,
  `COMMENT ON COLUMN products.vendor_quantity IS 'what the vendor said; only the stock sync writes it'`,
  `COMMENT ON COLUMN products.reserved_quantity IS 'sum of the open holds (held, acknowledged) in orders; only orders and settling write it'`,
  `COMMENT ON COLUMN products.as_of IS 'vendor''s clock of the listing that last wrote the row'`,
  `COMMENT ON COLUMN products.observed_at IS 'our clock: start of the poll that last wrote the row'`,
  // Reservations must stay heap-only updates: room on the page, and no index on a column that placement changes.
  ...Array.from(
    { length: PRODUCT_PARTITIONS },
    (_, remainder) => `CREATE TABLE products_${String(remainder).padStart(2, '0')} PARTITION OF products
      FOR VALUES WITH (MODULUS ${PRODUCT_PARTITIONS}, REMAINDER ${remainder}) WITH (fillfactor = 80)`,
  ),
  `CREATE TABLE stock_sync_runs (
    sync_run_id varchar(36) COLLATE "C" PRIMARY KEY,
    vendor_id varchar(32) COLLATE "C" NOT NULL REFERENCES vendors,
    trigger varchar(16) NOT NULL CHECK (trigger IN ('schedule', 'manual')),
    kind varchar(8) NOT NULL CHECK (kind IN ('full', 'delta')),
    status varchar(16) NOT NULL
      CHECK (status IN ('pending', 'running', 'succeeded', 'held', 'failed', 'rejected', 'superseded')),
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    as_of timestamptz(3),
    seen integer NOT NULL DEFAULT 0,
    changed integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    missing integer NOT NULL DEFAULT 0,
    rejected integer NOT NULL DEFAULT 0,
    error varchar(1000),
    CHECK ((status IN ('pending', 'running')) = (finished_at IS NULL))
  )`,
  'CREATE INDEX stock_sync_runs_by_vendor ON stock_sync_runs (vendor_id, started_at DESC, sync_run_id DESC)',
  // Unlogged: a crash loses it, and the next poll stages afresh.
  `CREATE UNLOGGED TABLE stock_staging (
    sync_run_id varchar(36) COLLATE "C" NOT NULL,
    product_id varchar(161) COLLATE "C" NOT NULL,
    sku varchar(128) COLLATE "C" NOT NULL,
    name varchar(500) NOT NULL,
    price numeric(12,2) NOT NULL,
    quantity integer NOT NULL,
    PRIMARY KEY (sync_run_id, product_id)
  )`,
];

const orders = [
  // One sequence for all: a token names one claim, whatever it holds.
  'CREATE SEQUENCE fencing_tokens',
  `CREATE TYPE order_status AS ENUM ('pending', 'completed', 'failed')`,
  `CREATE TYPE hold_state AS ENUM ('held', 'acknowledged', 'settled', 'released')`,
  `CREATE TABLE orders (
    order_id varchar(36) COLLATE "C" PRIMARY KEY,
    vendor_id varchar(32) COLLATE "C" NOT NULL,
    product_id varchar(161) COLLATE "C" NOT NULL,
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    unit_price numeric(12,2) NOT NULL CHECK (unit_price >= 0),
    total_price numeric(20,2) NOT NULL,
    currency char(3) NOT NULL,
    status order_status NOT NULL DEFAULT 'pending',
    failure_reason varchar(32)
      CHECK (failure_reason IN ('OUT_OF_STOCK', 'UNKNOWN_SKU', 'REFUSED', 'CANCELLED', 'RESOLVED_BY_OPERATOR')),
    hold_state hold_state NOT NULL DEFAULT 'held',
    available_quantity integer NOT NULL,
    vendor_order_id varchar(200),
    accepted_at timestamptz(3),
    acknowledged_at timestamptz,
    needs_attention boolean NOT NULL DEFAULT false,
    attention_reason varchar(1000),
    client varchar(200) NOT NULL,
    claim_token bigint NOT NULL DEFAULT 0,
    claimed_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (vendor_id, product_id) REFERENCES products (vendor_id, product_id),
    CHECK (total_price = unit_price * quantity),
    CHECK (available_quantity >= quantity),
    CHECK ((status = 'failed') = (failure_reason IS NOT NULL)),
    CHECK ((status = 'failed') = (hold_state = 'released')),
    CHECK (status <> 'completed' OR hold_state <> 'held'),
    CHECK (needs_attention = (attention_reason IS NOT NULL))
  ) WITH (fillfactor = 85)`,
  `COMMENT ON COLUMN orders.hold_state IS 'held: the vendor does not know of it; acknowledged: it accepted at accepted_at; settled: an applied listing contains it; released'`,
  `COMMENT ON COLUMN orders.available_quantity IS 'what could be sold of the product when this order was granted'`,
  `COMMENT ON COLUMN orders.accepted_at IS 'vendor''s clock'`,
  `COMMENT ON COLUMN orders.acknowledged_at IS 'our clock: when the vendor''s acceptance was recorded'`,
  `COMMENT ON COLUMN orders.claim_token IS 'fencing token of the dispatch claim'`,
  'CREATE INDEX orders_by_created ON orders (created_at DESC, order_id DESC)',
  'CREATE INDEX orders_by_product ON orders (product_id, created_at DESC, order_id DESC)',
  'CREATE INDEX orders_by_vendor ON orders (vendor_id, created_at DESC, order_id DESC)',
  `CREATE INDEX orders_pending ON orders (created_at DESC, order_id DESC) WHERE status = 'pending'`,
  `CREATE INDEX orders_failed ON orders (created_at DESC, order_id DESC) WHERE status = 'failed'`,
  'CREATE INDEX orders_needing_attention ON orders (created_at DESC, order_id DESC) WHERE needs_attention',
  `CREATE INDEX orders_open_holds ON orders (vendor_id, product_id) WHERE hold_state IN ('held', 'acknowledged')`,
  `CREATE TABLE order_events (
    order_id varchar(36) COLLATE "C" NOT NULL REFERENCES orders,
    event_id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    type varchar(64) NOT NULL,
    detail varchar(2000) NOT NULL,
    PRIMARY KEY (order_id, event_id)
  )`,
  `CREATE TABLE dispatch_attempts (
    attempt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id varchar(36) COLLATE "C" NOT NULL REFERENCES orders,
    token bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    deadline_at timestamptz NOT NULL,
    finished_at timestamptz,
    outcome varchar(16) CHECK (outcome IN ('accepted', 'refused', 'unknown', 'not_sent')),
    detail varchar(1000),
    counted boolean NOT NULL DEFAULT true,
    closed_at timestamptz,
    UNIQUE (order_id, token),
    CHECK ((finished_at IS NULL) = (outcome IS NULL))
  )`,
  `COMMENT ON TABLE dispatch_attempts IS 'each purchase call, committed before it is made'`,
  `COMMENT ON COLUMN dispatch_attempts.counted IS 'whether it counts towards the limit of attempts: one that was not sent, or was answered 429, does not'`,
  `COMMENT ON COLUMN dispatch_attempts.closed_at IS 'from here on it is certain what the attempt did; an order with an open attempt is neither sent again nor released'`,
  'CREATE INDEX dispatch_attempts_open ON dispatch_attempts (order_id) WHERE closed_at IS NULL',
  `CREATE TABLE idempotency_keys (
    client varchar(200) COLLATE "C" NOT NULL,
    route varchar(100) COLLATE "C" NOT NULL,
    key varchar(255) COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (client, route, key)
  )`,
  'CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at)',
];

const messaging = [
  `CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id varchar(36) COLLATE "C" NOT NULL,
    vendor_id varchar(32) COLLATE "C" NOT NULL,
    subject varchar(64) COLLATE "C" NOT NULL,
    type varchar(64) NOT NULL,
    payload jsonb NOT NULL,
    traceparent varchar(55),
    attempt integer NOT NULL DEFAULT 1 CHECK (attempt > 0),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_by varchar(36),
    leased_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
  ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)`,
  `COMMENT ON TABLE outbox IS 'messages due now or later; a row is deleted when its message was published (RabbitMQ) or consumed (embedded)'`,
  `COMMENT ON COLUMN outbox.subject IS 'what the message is about, an order id; the sweeper finds open orders without a message by it'`,
  'CREATE INDEX outbox_due ON outbox (vendor_id, due_at, outbox_id)',
  'CREATE INDEX outbox_by_subject ON outbox (subject)',
  `CREATE TABLE dead_letters (
    dead_letter_id varchar(36) COLLATE "C" PRIMARY KEY,
    vendor_id varchar(32) COLLATE "C",
    order_id varchar(36) COLLATE "C",
    status varchar(16) NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'replayed', 'dismissed')),
    cause varchar(1000) NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
  )`,
  'CREATE INDEX dead_letters_by_created ON dead_letters (created_at DESC, dead_letter_id DESC)',
];

const auth = [
  `CREATE TABLE api_keys (
    api_key_id varchar(36) COLLATE "C" PRIMARY KEY,
    name varchar(200) NOT NULL,
    client varchar(200) NOT NULL,
    scopes text[] NOT NULL CHECK (scopes <> '{}'),
    key_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
  )`,
];
