/// <reference path="./webassembly.d.ts" />
/**
 * WebAssembly modules that `npm run generate` made of AssemblyScript
 * (docs/adr/0011-webassembly-from-assemblyscript.md).
 */

const PAGE_BYTES = 65_536;

/** Compiles a module that a generated file holds, in base64. */
export function compile(base64: string): WebAssembly.Module {
  return new WebAssembly.Module(Buffer.from(base64, 'base64'));
}

/** Makes a memory of at least `bytes`, which threads can share. */
export function sharedMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** Makes an instance of a module that works in the given memory, and returns the functions that the module exports. */
export function instantiate<Exports>(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Exports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as Exports;
}
