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

/**
 * Parts of packages that are never used here and take time at each start: prom-client's client of a push gateway, which
 * loads TLS; the colours of winston's levels, as the log is JSON; its messages for those who work on winston; and the
 * package in which Node's own streams are as they were, from which winston has its streams.
 */
const UNUSED: readonly [file: RegExp, contents: string][] = [
  [/prom-client\/lib\/pushgateway\.js$/, ''],
  [/logform\/levels\.js$/, 'module.exports = (levels) => levels;'],
  [/@dabh\/diagnostics\/node\/index\.js$/, 'module.exports = () => () => undefined;'],
  [/readable-stream\/readable\.js$/, "module.exports = require('node:stream');"],
  [
    /readable-stream\/lib\/_stream_writable\.js$/,
    "module.exports = require('node:stream').Writable;",
  ],
];
const withoutUnused: Plugin = {
  name: 'without-unused',
  setup({ onLoad }) {
    for (const [filter, contents] of UNUSED) onLoad({ filter }, () => ({ contents }));
  },
};

/** Metrics of Node itself are collected from the first reader on (metrics.ts), and loaded then. */
const lazyMetrics: Plugin = {
  name: 'lazy-metrics',
  setup({ onLoad }) {
    onLoad({ filter: /prom-client\/index\.js$/ }, ({ path }) => {
      const eager = "require('./lib/defaultMetrics')";
      const [before, after] = readFileSync(path, 'utf8').split(eager);
      if (after === undefined) throw new Error(`${path} has no ${eager} any more`);
      return { contents: `${before}(...args) => ${eager}(...args)${after}` };
    });
  },
};

/** Functions of node:crypto, which Node takes 5 ms to load, and most servers call after their start if at all. */
const CRYPTO = ['createHash', 'randomUUID', 'timingSafeEqual'];
const lazyCrypto: Plugin = {
  name: 'lazy-crypto',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:crypto$/ }, ({ importer, path }) =>
      importer.startsWith(`${PACKAGE}src/`) ? { path, namespace: 'lazy' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'lazy' }, () => ({
      contents: CRYPTO.map(
        (name) =>
          `export const ${name} = (...args) => process.getBuiltinModule('node:crypto').${name}(...args);`,
      ).join('\n'),
    }));
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
  plugins: [withoutUnused, lazyMetrics, lazyCrypto],
  // Half the bytes to read and to find in the compile cache. Names stay, for those who read a stack.
  minifyWhitespace: true,
  minifySyntax: true,
});
writeFileSync(`${PACKAGE}/dist/package.json`, '{ "type": "commonjs" }\n');
