/**
 * Reads XGBoost's old binary format, in which versions 1.0 to 1.7 save `.bst` files (LearnerIO::Save, GBTreeModel::Save,
 * RegTree::Save), as the fields that JSON has.
 */

/** Fields of a model by their names in JSON. */
export type Fields = { readonly [key: string]: unknown };

/** Sizes of the structures that begin with numbers and end with reserved room, in bytes. */
const LEARNER_BYTES = 136;
const TREES_BYTES = 160;
const TREE_BYTES = 148;
const WEIGHTS_BYTES = 136;
/** Size of a node, and of its statistics, in bytes. */
const NODE_BYTES = 20;
const STATISTICS_BYTES = 16;
/** Bit of a node's feature that sends missing values left. */
const DEFAULT_LEFT = 0x80000000;

/** Tells whether bytes begin like the old format. */
export function isXgboostBinary(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 4) === 'binf';
}

/** Reads a model. @throws Error when the bytes end too soon, or the version is before 1.0. */
export function parseXgboostBinary(bytes: Buffer): Fields {
  const cursor = new Cursor(bytes.subarray(4));
  const learner = cursor.take(LEARNER_BYTES);
  const version = [learner.readUInt32LE(20), learner.readUInt32LE(24), 0];
  if (version[0] === 0) {
    throw new Error('it was saved before version 1.0: load it with XGBoost and save it as .ubj');
  }
  const objective = { name: cursor.text() };
  const name = cursor.text();
  const booster = name === 'gblinear' ? readWeights(cursor) : readTrees(cursor, name);
  const hasAttributes = learner.readInt32LE(12) !== 0;
  const attributes = hasAttributes
    ? Object.fromEntries(cursor.list(() => [cursor.text(), cursor.text()]))
    : {};
  const parameters = {
    base_score: learner.readFloatLE(0),
    num_feature: learner.readUInt32LE(4),
    num_class: learner.readInt32LE(8),
    num_target: Math.max(learner.readUInt32LE(28), 1),
  };
  return {
    version,
    learner: {
      attributes,
      learner_model_param: parameters,
      objective,
      gradient_booster: booster,
    },
  };
}

function readWeights(cursor: Cursor): Fields {
  cursor.take(WEIGHTS_BYTES);
  return { name: 'gblinear', model: { weights: cursor.list(() => cursor.float()) } };
}

function readTrees(cursor: Cursor, name: string): Fields {
  const header = cursor.take(TREES_BYTES);
  const count = header.readInt32LE(0);
  const trees = Array.from({ length: count }, () => readTree(cursor));
  const model = {
    gbtree_model_param: { num_parallel_tree: header.readInt32LE(4) },
    trees,
    tree_info: Array.from({ length: count }, () => cursor.take(4).readInt32LE()),
  };
  if (name !== 'dart') return { name, model };
  const weights = count === 0 ? [] : cursor.list(() => cursor.float());
  return { name, gbtree: { model }, weight_drop: weights };
}

function readTree(cursor: Cursor): Fields {
  const header = cursor.take(TREE_BYTES);
  const count = header.readInt32LE(4);
  if (header.readInt32LE(20) > 1) throw new Error('its leaves have several values');
  const nodes = Array.from({ length: count }, () => cursor.take(NODE_BYTES));
  cursor.take(count * STATISTICS_BYTES);
  const features = nodes.map((node) => node.readUInt32LE(12));
  return {
    left_children: nodes.map((node) => node.readInt32LE(4)),
    right_children: nodes.map((node) => node.readInt32LE(8)),
    split_indices: features.map((feature) => feature % DEFAULT_LEFT),
    default_left: features.map((feature) => (feature >= DEFAULT_LEFT ? 1 : 0)),
    split_conditions: nodes.map((node) => node.readFloatLE(16)),
    tree_param: {},
  };
}

/** Takes values from the beginning of bytes. Each method throws an Error when the bytes end too soon. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Returns the next bytes. */
  take(count: number): Buffer {
    const end = this.#at + count;
    if (!(count >= 0 && end <= this.#bytes.length)) {
      throw new Error(
        `the file ends at ${this.#bytes.length + 4}, within what began at ${this.#at + 4}`,
      );
    }
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  float(): number {
    return this.take(4).readFloatLE();
  }

  text(): string {
    return this.take(this.#length()).toString('utf8');
  }

  /** Returns values that follow their number. */
  list<T>(read: () => T): T[] {
    const values: T[] = [];
    for (let left = this.#length(); left > 0; left--) values.push(read());
    return values;
  }

  #length(): number {
    return Number(this.take(8).readBigUInt64LE());
  }
}
