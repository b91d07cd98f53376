import { Config, ConfigError, vendorToken } from '../../src/config/config';
import { settings } from '../../src/config/settings';
import { timeBudgets } from '../../src/config/time-budgets';

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    Config.read(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe('configuration', () => {
  it('has a default for everything that suits npm start', () => {
    const config = Config.read({});
    expect(config).toMatchObject({ port: 3000, host: '127.0.0.1', databaseUrl: undefined, rabbitmqUrl: undefined });
    expect(config.isSet('PORT')).toBe(false);
  });

  it('names every problem at once: key, what was expected, what was found', () => {
    expect(problemsOf({ PORT: 'eighty', CURRENCY: 'dollars', VENDOR_ALLOW_PRIVATE: 'yes' })).toEqual([
      'PORT: expected a whole number from 1 to 65535, found "eighty"',
      'CURRENCY: expected three capital letters, found "dollars"',
      'VENDOR_ALLOW_PRIVATE: expected true or false, found "yes"',
    ]);
  });

  it.each([
    ['DATABASE_URL', 'mysql://root:hunter2@db/shop'],
    ['RABBITMQ_URL', 'http://guest:hunter2@mq'],
    ['ADMIN_API_KEY', 'my hunter2'],
    ['HOLDFAST_URL', 'ftp://root:hunter2@shop'],
  ])('masks a wrong %s', (key, value) => {
    const [problem] = problemsOf({ [key]: value });
    expect(problem).toContain(key);
    expect(problem).not.toContain('hunter2');
  });

  it.each(['DATABASE_REPLICA_URLS'])('stops at %s, which is not supported yet', (key) => {
    expect(problemsOf({ [key]: 'redis://x' })[0]).toMatch(new RegExp(`^${key}: not supported`));
  });

  it.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318', 'a URL that begins with http:// or https://'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'authorization: hunter2', 'name=value, separated by commas'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=hunter2,b', 'name=value, separated by commas'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=hunter2%0d%0aX-Evil:1', 'name=value, separated by commas'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=hunter2%ff', 'name=value, separated by commas'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', 'one of http/json'],
    ['OTEL_SERVICE_NAME', 'a\nb', '1 to 200 printable characters'],
    ['OTEL_TRACES_SAMPLER', 'sometimes', 'one of always_on, '],
    ['OTEL_TRACES_SAMPLER_ARG', '1.5', 'a number from 0 to 1'],
    ['OTEL_TRACES_SAMPLER_ARG', 'half', 'a number from 0 to 1'],
    ['OTEL_TRACES_SAMPLER_ARG', '.', 'a number from 0 to 1'],
  ])('stops at %s %j', (key, value, expected) => {
    const [problem] = problemsOf({ [key]: value });
    expect(problem).toContain(`${key}: expected ${expected}`);
    expect(problem).not.toContain('hunter2');
  });

  it('reads what tracing is told in OpenTelemetry’s own words', () => {
    const otel = {
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20YQ==, x-tenant = a',
      OTEL_TRACES_SAMPLER_ARG: '.25',
    };
    const { otlpHeaders, tracesSamplerShare } = Config.read(otel);
    expect(otlpHeaders).toEqual({ authorization: 'Basic YQ==', 'x-tenant': 'a' });
    expect(tracesSamplerShare).toBe(0.25);
  });

  it('refuses a longest retry delay shorter than the first', () => {
    expect(problemsOf({ RETRY_DELAY_MS_BASE: '5000', RETRY_DELAY_MS_MAX: '100' })[0]).toMatch(/RETRY_DELAY_MS_MAX/);
  });

  it('lets vendors live at private addresses except in production, unless told', () => {
    expect(Config.read({}).vendorAllowPrivate).toBe(true);
    expect(Config.read({ NODE_ENV: 'production' }).vendorAllowPrivate).toBe(false);
    expect(Config.read({ NODE_ENV: 'production', VENDOR_ALLOW_PRIVATE: 'true' }).vendorAllowPrivate).toBe(true);
  });

  it('treats an empty value as not set', () => {
    expect(Config.read({ PORT: '' }).port).toBe(3000);
  });

  it('reads a vendor’s token at the moment it is asked', () => {
    expect(vendorToken(null, { X: 'y' })).toBeUndefined();
    expect(vendorToken('VENDOR_TOKEN_A', { VENDOR_TOKEN_A: 'secret' })).toBe('secret');
  });
});

describe('time budgets', () => {
  const values = [50, 1000, 10_000, 600_000];

  it.each(values)(
    'contain each other for VENDOR_TIMEOUT_MS=%i: request > call > headers > connect',
    (vendorTimeoutMs) => {
      const budgets = timeBudgets(vendorTimeoutMs);
      expect(budgets.httpRequestMs).toBeGreaterThan(budgets.vendorTotalMs);
      expect(budgets.vendorTotalMs).toBeGreaterThan(budgets.vendorHeadersMs);
      expect(budgets.vendorHeadersMs).toBeGreaterThan(budgets.vendorConnectMs);
      expect(budgets.claimLeaseMs).toBeGreaterThan(budgets.vendorTotalMs * 1.5);
      expect(budgets.shutdownGraceMs).toBeGreaterThan(budgets.vendorTotalMs);
    },
  );

  it('fit into a timer', () => {
    expect(settings.vendorTimeoutMs.parse('600001')).toBeUndefined();
  });
});
