import { parseArgs } from 'node:util';
import { SCOPES } from '../auth/access';
import { ApiKeyRepository } from '../auth/api-key.repository';
import { CreateApiKeyDto } from '../auth/api-keys.dto';
import { ApiKeys } from '../auth/api-keys.service';
import { Config } from '../config/config';
import { singleConnection } from '../database/data-source';
import { validationPipe } from '../http/validation';
import { attachDatabase } from './database';
import { UsageError } from './flags';
import { runCommand } from './command';

const USAGE = `Usage:
  npm run keys -- create --name <name> --scopes <scope,…> [--client <client>] [--expires <time>]
  npm run keys -- list
  npm run keys -- revoke <apiKeyId>
Scopes: ${SCOPES.join(', ')}`;

const LISTED_MAX = 1000;

/** `npm run keys`: API keys from the command line. */
runCommand(async () => {
  const { values, positionals } = parseCall();
  const config = await attachDatabase(Config.read(process.env));
  const dataSource = singleConnection(config.databaseUrl!);
  await dataSource.initialize();
  try {
    const apiKeys = new ApiKeys(new ApiKeyRepository(dataSource), config);
    const [command, apiKeyId] = positionals;
    if (command === 'create') return await create(apiKeys, values);
    if (command === 'list') return tellOf(await apiKeys.list(LISTED_MAX));
    await apiKeys.revoke(apiKeyId!);
    console.log(`Revoked ${apiKeyId}.`);
  } finally {
    await dataSource.destroy();
  }
}, USAGE);

type Values = ReturnType<typeof parseCall>['values'];

/** What the HTTP route checks is checked here too. Throws `ValidationFailed`. */
async function create(apiKeys: ApiKeys, { name, scopes, client, expires }: Values): Promise<void> {
  const wanted = { name, client, scopes: scopes?.split(',').map((scope) => scope.trim()), expiresAt: expires };
  const checked: unknown = await validationPipe().transform(wanted, { type: 'body', metatype: CreateApiKeyDto });
  const created = await apiKeys.create(checked as CreateApiKeyDto);
  console.log(
    `${created.key}\n\nShown this once: ${created.name} (${created.apiKeyId}), scopes ${created.scopes.join(', ')}.`,
  );
}

function tellOf(keys: object[]): void {
  if (keys.length === 0) console.log('There are no keys.');
  else console.table(keys);
}

function parseCall() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        name: { type: 'string' },
        scopes: { type: 'string' },
        client: { type: 'string' },
        expires: { type: 'string' },
      },
    });
    const [command, argument] = positionals;
    const complete =
      (command === 'create' && values.name !== undefined && values.scopes !== undefined) ||
      command === 'list' ||
      (command === 'revoke' && argument !== undefined);
    if (!complete) throw new UsageError(USAGE);
    return { values, positionals };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${(error as Error).message}\n${USAGE}`);
  }
}
