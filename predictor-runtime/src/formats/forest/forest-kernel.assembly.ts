/**
 * The inner loop of tree evaluation in AssemblyScript. `npm run generate` compiles it to forest-kernel.gen.ts, and
 * forest-kernel.ts loads that.
 */
import { COLUMN_AT, LANES, LEFT_AT, NODE_BYTES } from './forest-layout.ts';

/**
 * Takes rows down one tree, eight at a time: each starts at the root and goes `depth` steps down, and the first word of
 * the node where it then is goes to `out`. The lanes are written out, because that is what makes their loads overlap.
 * @param depth number of levels of splits, above 0; a leaf is its own left child, so that early leaves stay where they
 *   are
 * @param row address of the first row
 * @param stride distance of one row from the next
 * @param end address that follows the last row; up to seven rows behind it are read as well, and seven words written
 */
export function descend(
  root: usize,
  depth: u32,
  row: usize,
  stride: usize,
  end: usize,
  out: usize,
): void {
  do {
    const row0 = row;
    const row1 = row0 + stride;
    const row2 = row1 + stride;
    const row3 = row2 + stride;
    const row4 = row3 + stride;
    const row5 = row4 + stride;
    const row6 = row5 + stride;
    const row7 = row6 + stride;
    let node0 = root;
    let node1 = root;
    let node2 = root;
    let node3 = root;
    let node4 = root;
    let node5 = root;
    let node6 = root;
    let node7 = root;
    let level = depth;
    do {
      node0 = child(node0, row0);
      node1 = child(node1, row1);
      node2 = child(node2, row2);
      node3 = child(node3, row3);
      node4 = child(node4, row4);
      node5 = child(node5, row5);
      node6 = child(node6, row6);
      node7 = child(node7, row7);
    } while (--level > 0);
    store<u32>(out, load<u32>(node0), 0);
    store<u32>(out, load<u32>(node1), 4);
    store<u32>(out, load<u32>(node2), 8);
    store<u32>(out, load<u32>(node3), 12);
    store<u32>(out, load<u32>(node4), 16);
    store<u32>(out, load<u32>(node5), 20);
    store<u32>(out, load<u32>(node6), 24);
    store<u32>(out, load<u32>(node7), 28);
    row = row7 + stride;
    out += 4 * LANES;
  } while (row < end);
}

/** Returns the child that the row goes to: the right one when its value is not below the node's threshold. */
function child(node: usize, row: usize): usize {
  const value = load<f64>(row + load<u32>(node, COLUMN_AT));
  const goesRight = value >= load<f64>(node);
  return load<u32>(node, LEFT_AT) + u32(goesRight) * NODE_BYTES;
}
