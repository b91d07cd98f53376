import { Config } from './src/config/config';
import { singleConnection } from './src/database/data-source';

const { databaseUrl } = Config.read(process.env);
if (databaseUrl === undefined) throw new Error('DATABASE_URL: the TypeORM command line needs a database of its own.');

/**
 * For the TypeORM command line alone; the platform migrates with `npm run migrate`.
 * `node test/support/run-typescript.cjs node_modules/typeorm/cli.js migration:show -d ormconfig.ts`
 */
export default singleConnection(databaseUrl);
