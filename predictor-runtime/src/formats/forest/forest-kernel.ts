/**
 * The inner loop of tree evaluation as WebAssembly: rows go down a tree level by level, eight at once and without a
 * branch that depends on a value. A processor guesses such branches wrong half of the time, and waits for one row's
 * loads while those of the others are under way; JavaScript's checks of every index cost as much again. Measured:
 * docs/adr/0008-formats-read-here.md.
 */
import { compile, instantiate } from '../../platform/webassembly/module.ts';
import { FOREST_KERNEL } from './forest-kernel.gen.ts';

/** The compiled kernel that takes rows to the leaves of trees, bound to one memory. */
export interface ForestKernel {
  /**
   * Takes rows down one tree. All addresses and sizes are in bytes.
   * @param root address of the tree's first node
   * @param depth number of the tree's levels of splits, above 0
   * @param row address of the first row
   * @param stride distance of one row from the next
   * @param end address that follows the last row; LANES - 1 rows of room follow it
   * @param out address that the rows' leaves go to, a 32-bit word each; LANES - 1 words of room follow them
   */
  descend(root: number, depth: number, row: number, stride: number, end: number, out: number): void;
}

let compiled: WebAssembly.Module | undefined;

/** Makes a kernel that works in the memory where nodes, rows and leaves are. */
export function forestKernel(memory: WebAssembly.Memory): ForestKernel {
  compiled ??= compile(FOREST_KERNEL);
  return instantiate<ForestKernel>(compiled, memory);
}
