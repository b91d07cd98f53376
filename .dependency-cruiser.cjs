'use strict';
/**
 * The house: which room may import which. Types count, for a door is a door. Run by `npm run check`; every rule is
 * proved by a planted violation in test/unit/house-rules.test.ts.
 */

/** From the lowest floor to the highest; a room imports what is below it, and the ground floor. */
const rooms = ['messaging', 'vendors', 'stock', 'orders', 'operations'];
const groundFloor = '^src/(config|database|http|observability|health|lifecycle|auth)/';
/** The processes' two tables of contents. */
const contents = String.raw`^src/(api|worker)\.module\.ts$`;
/** Where processes begin. */
const entrances = ['^src/launch/', String.raw`^src/main\.ts$`];

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

const arrows = rooms.map((room, floor) =>
  rule(
    `${room}-imports-nothing-above`,
    `Arrows point down: launch → contents → ${[...rooms].reverse().join(' → ')} → ground floor.`,
    { path: `^src/${room}/` },
    { path: [...rooms.slice(floor + 1).map((above) => `^src/${above}/`), contents, ...entrances] },
  ),
);

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...arrows,
    rule(
      'ground-floor-knows-no-room',
      'What every room stands on knows none of them.',
      { path: groundFloor },
      { path: '^src/', pathNot: groundFloor },
    ),
    rule(
      'contents-import-rooms-only',
      'api.module.ts and worker.module.ts list rooms; how a process starts is the business of launch/.',
      { path: contents },
      { path: entrances },
    ),
    rule(
      'nobody-imports-main',
      'Programs are started, not imported.',
      {},
      { path: [String.raw`^src/main\.ts$`, String.raw`^src/launch/.*\.command\.ts$`] },
    ),
    rule(
      'placement-knows-no-fulfilment',
      'They meet in the order and its repository.',
      { path: '^src/orders/placement/' },
      { path: '^src/orders/fulfilment/' },
    ),
    rule(
      'fulfilment-knows-no-placement',
      'They meet in the order and its repository.',
      { path: '^src/orders/fulfilment/' },
      { path: '^src/orders/placement/' },
    ),
    rule(
      'simulator-stands-alone',
      'It plays other companies: sharing code with us, it would share our mistakes.',
      { path: '^src/simulator/' },
      { path: '^src/', pathNot: '^src/simulator/' },
    ),
    rule(
      'only-launch-starts-the-simulator',
      'Nothing that serves orders depends on the pretended vendors.',
      { pathNot: '^src/(launch|simulator)/' },
      { path: '^src/simulator/' },
    ),
    rule(
      'only-the-vendors-module-registers-adapters',
      'Removing a vendor’s kind is removing its adapter and its registration.',
      { pathNot: String.raw`^src/vendors/(adapters/|vendors\.module\.ts$)` },
      { path: '^src/vendors/adapters/' },
    ),
    rule(
      'adapters-do-not-share',
      'An adapter can be deleted without asking another.',
      { path: '^src/vendors/adapters/([^/]+)/' },
      { path: '^src/vendors/adapters/', pathNot: '^src/vendors/adapters/$1/' },
    ),
    rule(
      'one-file-opens-amqp',
      'The broker library is met in the one file that knows its habits; its types may be named by the others.',
      { pathNot: String.raw`^src/messaging/brokers/rabbitmq/connection\.ts$` },
      {
        path: '(^|node_modules/)(@golevelup/|amqplib|amqp-connection-manager)',
        dependencyTypesNot: ['type-only'],
      },
    ),
    rule(
      'one-file-loads-the-tracing-sdk',
      'Where nothing is traced it must not even be loaded; the others speak to the API, which does nothing by itself.',
      { pathNot: String.raw`^src/observability/tracing\.ts$` },
      { path: '(^|node_modules/)@opentelemetry/(?!api/)', dependencyTypesNot: ['type-only'] },
    ),
    rule('src-knows-no-test', 'What is shipped does not lean on its tests.', { path: '^src/' }, { path: '^test/' }),
    rule(
      'src-runs-without-dev-dependencies',
      'An installation without development dependencies, such as the image, has to start.',
      { path: '^src/' },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg'], dependencyTypesNot: ['type-only'] },
    ),
    rule('no-circles', 'Two files that need each other are one thought, or miss a third.', {}, { circular: true }),
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
  },
};
