import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { DataSource } from 'typeorm';
import { databaseFailure } from '../../../src/database/database-errors';
import { dataSourceOptions } from '../../../src/database/data-source';
import { createDatabase } from '../../support/database';

/** Of the PostgreSQL protocol: letter, length, content. */
function packet(letter: string, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(letter), length, body]);
}

const AUTHENTICATED = packet('R', Buffer.alloc(4));
const READY = packet('Z', Buffer.from('I'));
const TERMINATED = packet('E', Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0'));

describe('a server that ends a connection in the packet that opens it', () => {
  let server: Server;

  beforeEach(async () => {
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(Buffer.concat([AUTHENTICATED, READY, TERMINATED])));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => void server.close());

  it('is told as a database that is away, and ends nobody', async () => {
    const { port } = server.address() as { port: number };
    const options = dataSourceOptions(`postgres://u:p@127.0.0.1:${port}/d?sslmode=disable`, {
      connectionsMax: 1,
      waitMs: 1000,
    });
    const failed = await new DataSource(options).initialize().catch((error: unknown) => error);
    expect(databaseFailure(failed)).toBe('unavailable');
  });
});

describe('a server that says nothing any more', () => {
  let server: Server;

  beforeEach(async () => {
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write(Buffer.concat([AUTHENTICATED, READY])));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => void server.close());

  it('is told as a database that is away, though its connection is never closed', async () => {
    const { port } = server.address() as { port: number };
    const pool = { connectionsMax: 1, waitMs: 1000, silentMsMax: 300 };
    const options = dataSourceOptions(`postgres://u:p@127.0.0.1:${port}/d?sslmode=disable`, pool);
    const failed = await new DataSource(options).initialize().catch((error: unknown) => error);
    expect(databaseFailure(failed)).toBe('unavailable');
  });
});

describe('a database that somebody has dropped', () => {
  it('is told as one that is away, to those that were connected and to those that come', async () => {
    const dropped = await createDatabase();
    const { url } = dropped;
    const connected = await new DataSource(dataSourceOptions(url, { connectionsMax: 1, waitMs: 1000 })).initialize();
    await dropped.drop();
    for (let ask = 0; ask < 3; ask++) {
      const failed = await connected.query('SELECT 1').catch((error: unknown) => error);
      expect(databaseFailure(failed)).toBe('unavailable');
    }
    await connected.destroy();
    const coming = new DataSource(dataSourceOptions(url, { connectionsMax: 1, waitMs: 1000 }));
    expect(databaseFailure(await coming.initialize().catch((error: unknown) => error))).toBe('unavailable');
  });
});
