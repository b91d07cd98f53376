import { Config } from '../config/config';
import { Api } from '../operations/command-line/api';
import { WrongCall } from '../operations/command-line/exit-codes';
import { runOps } from '../operations/command-line/program';
import { Screen, type Streams } from '../operations/command-line/screen';
import { runCommand } from './command';
import { embeddedApiUrl, keptAdminKey } from './local-installation';

const LOOPBACK = /^(127(\.\d+){3}|localhost|\[::1\])$/;

/** `npm run ops`: what operators do over HTTP, from the command line. */
runCommand(async () => {
  const streams: Streams = { out: process.stdout, err: process.stderr };
  process.exitCode = await runOps(process.argv.slice(2), streams, async ({ url, key, json = false }) => {
    const config = Config.read(process.env);
    const address = addressIn(url ?? config.apiUrl ?? (await localAddress(config)));
    return {
      api: new Api(address.href.replace(/\/+$/, ''), keyFor(address, key, config)),
      screen: new Screen(streams, json),
    };
  });
});

/** That of the embedded installation that runs, else where an API started with this configuration would listen. */
async function localAddress({ databaseUrl, dataDir, port }: Config): Promise<string> {
  const embedded = databaseUrl === undefined ? await embeddedApiUrl(dataDir) : undefined;
  return embedded ?? `http://127.0.0.1:${port}`;
}

function addressIn(text: string): URL {
  const address = URL.canParse(text) ? new URL(text) : undefined;
  if (address && ['http:', 'https:'].includes(address.protocol)) return address;
  throw new WrongCall(`--url: expected a URL that begins with http:// or https://, found "${text}"`);
}

/** The key in the data directory opens everything: it goes to no other machine. */
function keyFor({ hostname }: URL, given: string | undefined, { apiKey, adminApiKey, dataDir }: Config): string {
  const key = given ?? apiKey ?? adminApiKey ?? (LOOPBACK.test(hostname) ? keptAdminKey(dataDir) : undefined);
  if (key !== undefined) return key;
  throw new WrongCall('There is no API key: set HOLDFAST_API_KEY (npm run keys makes one), or pass --key.');
}
