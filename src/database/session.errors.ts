/** The server's own encoding cannot be changed; the others are a role's, a database's or the server's defaults. */
const REMEDIES: Record<string, string> = {
  server_encoding: "make a new database with ENCODING 'UTF8' and TEMPLATE template0, and move the data there",
  session_replication_role:
    'take it out of the defaults of our role and database: ALTER ROLE … RESET session_replication_role',
};

/** A session of ours that is not what our statements rely on. No waiting mends it. */
export class UnsuitableSession extends Error {
  constructor(name: string, found: string | undefined, expected: string) {
    const remedy =
      REMEDIES[name] ??
      'our connections ask for it when they start, so something between overrides or drops that, such as a pooler or a ' +
        `parameter in DATABASE_URL: connect to the server itself and leave the parameter out, or ALTER ROLE … SET ${name} = '${expected}'`;
    super(`The database's setting ${name} is ${quoted(found)} in our sessions and has to be "${expected}": ${remedy}.`);
  }
}

/** The server may lose what it has confirmed. */
export class UnsafeDatabase extends Error {
  constructor(name: string) {
    super(
      `The database server runs with ${name} = off and has to run with "on", or a crash of its machine loses confirmed ` +
        `orders: ALTER SYSTEM SET ${name} = on and reload it, or set ALLOW_UNSAFE_DATABASE=true where nothing in it matters.`,
    );
  }
}

/** A standby, or a primary that has become one: whoever asks again may find the new primary. */
export class ReadOnlyServer extends Error {
  /** PostgreSQL's own, for a write to such a server. */
  readonly code = '25006';

  constructor() {
    super('the server is a standby, which takes no writes');
  }
}

function quoted(found: string | undefined): string {
  return found === undefined ? 'unknown' : `"${found}"`;
}
