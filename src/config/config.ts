import { type LogLevel, settings, unsupportedKeys } from './settings';

type Settings = typeof settings;
type Values = {
  -readonly [Name in keyof Settings]: Settings[Name]['default'] extends infer Value
    ? undefined extends Value
      ? string | undefined
      : Value extends LogLevel
        ? LogLevel
        : Value extends string
          ? string
          : Value
    : never;
};

interface Origin {
  set: ReadonlySet<string>;
  startedByNpm: boolean;
}

/** Thrown with every problem at once: key, what was expected, what was found. Secrets are masked. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`Holdfast cannot start with this configuration:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

/** The values of this process, read once from the environment. Who needs one asks for `Config`. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the interface below is its fields
export class Config {
  private constructor(
    values: Values,
    private readonly origin: Origin,
  ) {
    Object.assign(this, values);
  }

  /** Throws `ConfigError`. */
  static read(env: NodeJS.ProcessEnv): Config {
    const problems: string[] = [];
    const values: Record<string, unknown> = {};
    const set = new Set<string>();
    for (const [name, setting] of Object.entries(settings)) {
      const text = env[setting.key];
      if (text === undefined || text === '') {
        values[name] = setting.default;
        continue;
      }
      set.add(setting.key);
      const value = setting.parse(text);
      const found = setting.secret ? mask(text) : `"${text}"`;
      if (value === undefined) problems.push(`${setting.key}: expected ${setting.expected}, found ${found}`);
      values[name] = value;
    }
    for (const key of unsupportedKeys) {
      if (env[key]) problems.push(`${key}: not supported by this release, found a value; unset it`);
    }
    if (!set.has(settings.vendorAllowPrivate.key)) values.vendorAllowPrivate = env.NODE_ENV !== 'production';
    const config = new Config(values as Values, { set, startedByNpm: env.npm_lifecycle_event === 'start' });
    if (config.retryDelayMsMax < config.retryDelayMsBase) {
      problems.push(
        `RETRY_DELAY_MS_MAX: expected at least RETRY_DELAY_MS_BASE (${config.retryDelayMsBase}), found ${config.retryDelayMsMax}`,
      );
    }
    if (problems.length > 0) throw new ConfigError(problems);
    return config;
  }

  /** Whether the key was set, and not left to its default. */
  isSet(key: string): boolean {
    return this.origin.set.has(key);
  }

  /** Whether `npm start` began this process. */
  get startedByNpm(): boolean {
    return this.origin.startedByNpm;
  }

  /** The same configuration with some values decided at start, such as the embedded database's address. */
  with(values: Partial<Values>): Config {
    return new Config({ ...(this as unknown as Values), ...values }, this.origin);
  }
}

// The fields of Config are the settings' values; declared here once instead of being listed twice.
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging, @typescript-eslint/no-empty-object-type
export interface Config extends Values {}

/** Bearer token of a vendor, read at the moment of a call so that it can be rotated; never stored or logged. */
export function vendorToken(credentialEnv: string | null, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return credentialEnv === null ? undefined : env[credentialEnv];
}

function mask(secret: string): string {
  return `a value of ${secret.length} characters`;
}
