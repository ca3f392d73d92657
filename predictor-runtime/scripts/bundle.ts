/**
 * Bundles the runtime's programs into dist, one file each: Node starts from one file twice as fast as from the three
 * hundred of our modules and of the packages that every start needs. Packages that only some starts need (stores, gRPC,
 * tracing), and those with native code, stay where npm puts them. CommonJS, because Node binds all names of a module of
 * its own that ECMAScript modules import, and loads what stands behind them (see node-http.ts).
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
/** Needed by every start. prom-client needs OpenTelemetry's API. */
const BUNDLED = ['@opentelemetry/api', 'commander', 'find-my-way', 'prom-client', 'winston'];

/** Each lies in dist itself: package-files.ts finds them, and the package's other files, from there. */
const PROGRAMS = {
  main: 'src/main.ts',
  'storage-initializer': 'src/storage-initializer.ts',
  'executor-process': 'src/engine/executor-process.ts',
  'tabular-thread': 'src/engine/tabular/tabular-thread.ts',
};

/** prom-client's client of a push gateway is never used here, and loads TLS, which takes a tenth of a start. */
const noPushGateway: Plugin = {
  name: 'no-push-gateway',
  setup({ onLoad }) {
    onLoad({ filter: /prom-client\/lib\/pushgateway\.js$/ }, () => ({ contents: '' }));
  },
};

const { dependencies } = JSON.parse(readFileSync(`${PACKAGE}/package.json`, 'utf8'));
rmSync(`${PACKAGE}/dist`, { recursive: true, force: true });
await build({
  absWorkingDir: PACKAGE,
  entryPoints: PROGRAMS,
  outdir: 'dist',
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node24',
  external: Object.keys(dependencies).filter((name) => !BUNDLED.includes(name)),
  define: { 'import.meta.url': 'MODULE_URL' },
  banner: { js: "const MODULE_URL = require('node:url').pathToFileURL(__filename).href;" },
  plugins: [noPushGateway],
});
writeFileSync(`${PACKAGE}/dist/package.json`, '{ "type": "commonjs" }\n');
