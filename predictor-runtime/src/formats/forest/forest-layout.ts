/**
 * Says how the nodes of decision trees lie in memory, in bytes. TypeScript lays out the trees and AssemblyScript
 * goes down them: both compile this file, so it has plain numbers only.
 */

/**
 * Size of a node: its threshold (f64), its column (i32) and its left child (i32). A leaf's number is in its first word.
 */
export const NODE_BYTES = 16;
/** Offset in a node of the offset in a row at which the value to compare lies. */
export const COLUMN_AT = 8;
/** Offset in a node of the address of its left child. The right child follows the left one. */
export const LEFT_AT = 12;

/** Number of rows that go down a tree together. */
export const LANES = 8;
