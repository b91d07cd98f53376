import { flag, headers, integer, matching, oneOf, share, url } from './setting';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const TRACES_SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/** Every configuration key, in the order of the documentation. `docs/configuration.md` is generated from this table. */
export const settings = {
  databaseUrl: url(
    {
      key: 'DATABASE_URL',
      default: undefined,
      defaultText: 'unset: embedded PostgreSQL',
      meaning: 'The primary database, PostgreSQL 15 or newer.',
    },
    ['postgres:', 'postgresql:'],
  ),
  databasePoolMax: integer(
    {
      key: 'DATABASE_POOL_MAX',
      default: 10,
      meaning: 'Database connections a process opens at most, divided by what they are for (operating.md).',
    },
    2,
    500,
  ),
  databasePoolWaitMs: integer(
    {
      key: 'DATABASE_POOL_WAIT_MS',
      default: 2000,
      meaning: 'How long a request waits for a database connection before it is answered 503.',
    },
    10,
    60_000,
  ),
  allowUnsafeDatabase: flag({
    key: 'ALLOW_UNSAFE_DATABASE',
    default: false,
    meaning:
      'Whether to serve orders from a database server that may lose what it confirmed (`fsync` or `full_page_writes` off). Only for data that nobody misses.',
  }),
  rabbitmqUrl: url(
    {
      key: 'RABBITMQ_URL',
      default: undefined,
      defaultText: 'unset: embedded transport',
      meaning: 'The message broker, RabbitMQ 3.10 or newer. Unset, messages travel through the database.',
    },
    ['amqp:', 'amqps:'],
  ),
  rabbitmqPrefix: matching<string>(
    {
      key: 'RABBITMQ_PREFIX',
      default: 'holdfast',
      meaning:
        'Prefix of every exchange and queue, and of keys in Redis, so that several installations can share them.',
    },
    /^[A-Za-z0-9_-]{1,64}$/,
    '1 to 64 letters, digits, "-" or "_"',
  ),
  redisUrl: url(
    {
      key: 'REDIS_URL',
      default: undefined,
      defaultText: 'unset: in process only',
      meaning: 'A Redis as shared second level of the product cache; reads go on without it.',
    },
    ['redis:', 'rediss:'],
  ),
  port: integer({ key: 'PORT', default: 3000, meaning: 'Where the API listens (modes api and all).' }, 1, 65_535),
  host: matching<string>(
    { key: 'HOST', default: '127.0.0.1', meaning: 'The address every listener binds to.' },
    /^[A-Za-z0-9.:_-]{1,253}$/,
    'a host name or an IP address',
  ),
  workerPort: integer(
    { key: 'WORKER_PORT', default: 3001, meaning: 'Where the worker answers health checks and Prometheus.' },
    1,
    65_535,
  ),
  vendorsPort: integer(
    { key: 'VENDORS_PORT', default: 3002, meaning: 'Where the simulated vendors listen.' },
    1,
    65_535,
  ),
  adminApiKey: {
    ...matching<string | undefined>(
      {
        key: 'ADMIN_API_KEY',
        default: undefined,
        defaultText: 'embedded: generated, kept in the data directory, printed',
        meaning: 'An API key with every scope. Required with DATABASE_URL while no key exists.',
      },
      /^[\x21-\x7e]{1,255}$/,
      '1 to 255 printable characters without spaces',
    ),
    secret: true,
  },
  dataDir: matching<string>(
    { key: 'HOLDFAST_DATA_DIR', default: '.holdfast', meaning: 'Where the embedded database keeps its data.' },
    /^[^\0]{1,1000}$/,
    'a path',
  ),
  apiUrl: url(
    {
      key: 'HOLDFAST_URL',
      default: undefined,
      defaultText: 'unset: the embedded installation, or this machine at PORT',
      meaning: 'Where `npm run ops` finds the API.',
    },
    ['http:', 'https:'],
  ),
  apiKey: {
    ...matching<string | undefined>(
      {
        key: 'HOLDFAST_API_KEY',
        default: undefined,
        defaultText: 'unset: `ADMIN_API_KEY`, or the key in the data directory',
        meaning: 'The API key that `npm run ops` uses.',
      },
      /^[\x21-\x7e]{1,255}$/,
      '1 to 255 printable characters without spaces',
    ),
    secret: true,
  },
  currency: matching<string>(
    { key: 'CURRENCY', default: 'USD', meaning: "The installation's one currency (ISO 4217)." },
    /^[A-Z]{3}$/,
    'three capital letters',
  ),
  vendorTimeoutMs: integer(
    { key: 'VENDOR_TIMEOUT_MS', default: 10_000, meaning: 'How long a whole vendor call may take, body included.' },
    50,
    600_000,
  ),
  retryDelayMsBase: integer(
    {
      key: 'RETRY_DELAY_MS_BASE',
      default: 1000,
      meaning: 'Longest wait before the first retry; it doubles with every further one (exponential, full jitter).',
    },
    1,
    3_600_000,
  ),
  retryDelayMsMax: integer(
    { key: 'RETRY_DELAY_MS_MAX', default: 300_000, meaning: 'Longest wait before any retry.' },
    1,
    86_400_000,
  ),
  deliveryAttemptsMax: integer(
    {
      key: 'DELIVERY_ATTEMPTS_MAX',
      default: 12,
      meaning: 'How often a purchase may be sent before the order needs attention. Looking up uses no attempt.',
    },
    1,
    1000,
  ),
  deliveryAgeMsMax: integer(
    {
      key: 'DELIVERY_AGE_MAX_MS',
      default: 86_400_000,
      meaning: 'How old an order may grow without a definite answer before it needs attention.',
    },
    1000,
  ),
  stockSyncIntervalMs: integer(
    {
      key: 'STOCK_SYNC_INTERVAL_MS',
      default: 60_000,
      meaning: "How often a vendor's stock is polled; a vendor may set its own.",
    },
    10,
    86_400_000,
  ),
  idempotencyTtlHours: integer(
    { key: 'IDEMPOTENCY_TTL_HOURS', default: 72, meaning: 'How long an idempotency key is remembered.' },
    1,
    8760,
  ),
  vendorAllowPrivate: {
    ...flag({
      key: 'VENDOR_ALLOW_PRIVATE',
      default: true,
      defaultText: 'true; false with NODE_ENV=production',
      meaning: 'Whether a vendor may be reached at a loopback or private address.',
    }),
  },
  logLevel: oneOf<LogLevel>(
    {
      key: 'LOG_LEVEL',
      default: 'info',
      meaning: 'What is logged: JSON lines, unless standard output is a terminal.',
    },
    LOG_LEVELS,
  ),
  otlpEndpoint: url(
    {
      key: 'OTEL_EXPORTER_OTLP_ENDPOINT',
      default: undefined,
      defaultText: 'unset: nothing is traced',
      meaning: 'The OpenTelemetry collector that traces are sent to, by OTLP over HTTP; `/v1/traces` is appended.',
    },
    ['http:', 'https:'],
  ),
  otlpHeaders: headers({
    key: 'OTEL_EXPORTER_OTLP_HEADERS',
    default: {},
    defaultText: 'none',
    meaning: 'Headers that the collector wants, such as `authorization=Bearer%20…`.',
  }),
  otlpProtocol: oneOf({ key: 'OTEL_EXPORTER_OTLP_PROTOCOL', default: 'http/json', meaning: 'How traces are sent.' }, [
    'http/json',
  ]),
  serviceName: matching<string>(
    { key: 'OTEL_SERVICE_NAME', default: 'holdfast', meaning: 'What the processes are called in traces.' },
    /^[^\p{Cc}\p{Cs}]{1,200}$/u,
    '1 to 200 printable characters',
  ),
  tracesSampler: oneOf<(typeof TRACES_SAMPLERS)[number]>(
    {
      key: 'OTEL_TRACES_SAMPLER',
      default: 'parentbased_always_on',
      meaning: 'Which traces are recorded; `parentbased_…` does as the caller did where it sent a `traceparent`.',
    },
    TRACES_SAMPLERS,
  ),
  tracesSamplerShare: share({
    key: 'OTEL_TRACES_SAMPLER_ARG',
    default: 1,
    meaning: 'The share of traces that `traceidratio` and `parentbased_traceidratio` record.',
  }),
};

/** Keys that a later release brings. Setting one stops the start instead of being ignored. */
export const unsupportedKeys = ['DATABASE_REPLICA_URLS'];
