/**
 * Generates the WebAssembly modules of the runtime from their AssemblyScript: `x.assembly.ts` makes `x.gen.ts`, which
 * holds the module in base64 and so goes wherever TypeScript goes. `--check` writes nothing and fails when a generated
 * file is stale.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import binaryen from 'assemblyscript/binaryen';

const SOURCE = new URL('../src/', import.meta.url);
/** The modules' paths in src, and the constants that hold them. */
const MODULES = {
  'formats/forest/forest-kernel': 'FOREST_KERNEL',
  'protocol/numbers/number-kernel': 'NUMBER_KERNEL',
};
const OPTIONS = [
  ...['-O3', '--noAssert', '--runtime', 'stub'],
  // The host makes the memory, as threads share it. Any memory fits below 65,536 pages.
  ...['--importMemory', '--noExportMemory', '--sharedMemory', '--maximumMemory', '65536'],
  ...['--enable', 'threads'],
];
/** No function is too large to be inlined where its only call is: calls took a tenth of the number kernel's time. */
const INLINE_SIZE = 10_000;

async function compile(path: string): Promise<Uint8Array> {
  let module: Uint8Array | undefined;
  const base = ['--baseDir', fileURLToPath(SOURCE), '--outFile', 'module.wasm'];
  const { error, stderr } = await asc.main([`${path}.assembly.ts`, ...base, ...OPTIONS], {
    writeFile: (_, contents) => {
      module = contents as Uint8Array;
    },
  });
  if (error !== null || module === undefined) throw new Error(`${path}: ${stderr.toString()}`);
  return inlined(module);
}

function inlined(bytes: Uint8Array): Uint8Array {
  const module = binaryen.readBinary(bytes);
  binaryen.setOptimizeLevel(3);
  binaryen.setOneCallerInlineMaxSize(INLINE_SIZE);
  module.runPasses(['inlining-optimizing']);
  return module.emitBinary();
}

function generatedFile(path: string, name: string, module: Uint8Array): string {
  return [
    `// Generated from src/${path}.assembly.ts by scripts/generate.ts.`,
    `export const ${name} =`,
    `  '${Buffer.from(module).toString('base64')}';`,
    '',
  ].join('\n');
}

const check = process.argv.includes('--check');
for (const [path, name] of Object.entries(MODULES)) {
  const content = generatedFile(path, name, await compile(path));
  const url = new URL(`${path}.gen.ts`, SOURCE);
  if (existsSync(url) && readFileSync(url, 'utf8') === content) continue;
  if (check) {
    console.error(`${url.pathname} is stale: run npm run generate`);
    process.exitCode = 1;
  } else {
    writeFileSync(url, content);
    console.log(`wrote ${url.pathname}`);
  }
}
