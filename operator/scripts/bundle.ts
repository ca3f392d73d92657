/**
 * Bundles the operator's programs into dist/bin, one file each. As modules of their own they take 100 MB more
 * memory, most of it for @kubernetes/client-node's classes of every kind there is: the operator has a client of its
 * own (kube/client.ts), and uses that package's KubeConfig alone.
 */
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
/** Its files are read, not run. */
const EXTERNAL = ['@grpc/grpc-js-xds'];
const PROGRAMS = { main: 'src/main.ts', thread: 'src/router/thread.ts' };

/** Says of the package's modules that they do nothing when loaded, which its package.json leaves out. */
const unusedClient: Plugin = {
  name: 'unused-client',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /./ }, async ({ path, pluginData, ...args }) => {
      const isOfPackage = args.importer.includes('/@kubernetes/client-node/');
      if (pluginData === 'resolved' || !(isOfPackage || path === '@kubernetes/client-node')) return;
      const found = await resolve(path, { ...args, pluginData: 'resolved' });
      return { ...found, sideEffects: false };
    });
  },
};

rmSync(`${PACKAGE}/dist/bin`, { recursive: true, force: true });
await build({
  absWorkingDir: PACKAGE,
  entryPoints: PROGRAMS,
  outdir: 'dist/bin',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minifyWhitespace: true,
  legalComments: 'none',
  external: EXTERNAL,
  // Packages in CommonJS ask for Node's own modules.
  banner: {
    js: "import * as module from 'node:module'; const require = module.createRequire(import.meta.url);",
  },
  plugins: [unusedClient],
});
