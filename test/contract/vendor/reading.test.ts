import { setImmediate as turn } from 'node:timers/promises';
import { ndjsonObjects } from '../../../src/vendors/ndjson';
import { readAhead } from '../../../src/vendors/read-ahead';

describe('reading NDJSON', () => {
  it('puts together lines and letters that are cut anywhere', async () => {
    const bytes = Buffer.from('{"title":"Größe ½"}\n\n{"title":"🙂"}');
    async function* byteByByte() {
      for (const byte of bytes) yield Buffer.from([byte]);
    }
    const found: unknown[] = [];
    for await (const objects of ndjsonObjects(byteByByte())) found.push(...objects);
    expect(found).toEqual([{ title: 'Größe ½' }, { title: '🙂' }]);
  });
});

describe('reading ahead', () => {
  it('asks for one piece more than is worked on, and for no other', async () => {
    let asked = 0;
    async function* source() {
      for (;;) yield ++asked;
    }
    const pieces = readAhead(source())[Symbol.asyncIterator]();
    expect((await pieces.next()).value).toBe(1);
    await turn();
    expect(asked).toBe(2);
    await pieces.return!();
    await turn();
    expect(asked).toBe(2);
  });

  it('gives a failure to whoever reads, after the pieces before it', async () => {
    async function* source() {
      yield 1;
      throw new Error('broken off');
    }
    const pieces = readAhead(source())[Symbol.asyncIterator]();
    expect((await pieces.next()).value).toBe(1);
    await turn();
    await expect(pieces.next()).rejects.toThrow('broken off');
  });
});
