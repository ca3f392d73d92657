/**
 * Keeps the memory of large bodies for later ones. As garbage, half a megabyte a request would make V8 collect its whole
 * heap every fifty requests. Remove when large bodies are no slower without it: `npm run bench -- --only tensor-binary`.
 */

/** Size above which bodies come so seldom that their memory is not kept, in bytes. */
const MAX_BODY_BYTES = 16 << 20;
/** Total size of the memory that is kept for later bodies, in bytes. */
const MAX_KEPT_BYTES = 64 << 20;
/** Bytes of which the place of every tensor is a multiple. */
const ALIGNMENT = 8;

/** Lends memory for bodies, and keeps it for the next ones. */
export class BodyPool {
  readonly #kept = new Map<number, Buffer[]>();
  #keptBytes = 0;
  /** Memory that each lent body lies in. */
  readonly #lent = new WeakMap<Buffer, Buffer>();

  /**
   * Lends room for a body, with other bytes in it until it is written.
   * @param head bytes before what is placed so that it is aligned: a body's first tensor, or the end of its last
   */
  take(length: number, head = 0): Buffer {
    const start = (ALIGNMENT - (head % ALIGNMENT)) % ALIGNMENT;
    const size = 2 ** Math.ceil(Math.log2(length + ALIGNMENT));
    if (length > MAX_BODY_BYTES) return Buffer.allocUnsafeSlow(start + length).subarray(start);
    const kept = this.#kept.get(size)?.pop();
    if (kept !== undefined) this.#keptBytes -= size;
    const memory = kept ?? Buffer.allocUnsafeSlow(size);
    const body = memory.subarray(start, start + length);
    this.#lent.set(body, memory);
    return body;
  }

  /** Takes a body back; nobody may read it any more. Nothing happens when it was not lent here. */
  giveBack(body: Buffer): void {
    const memory = this.#lent.get(body);
    if (memory === undefined) return;
    this.#lent.delete(body);
    const size = memory.length;
    if (this.#keptBytes + size > MAX_KEPT_BYTES) return;
    this.#keptBytes += size;
    const kept = this.#kept.get(size);
    if (kept === undefined) this.#kept.set(size, [memory]);
    else kept.push(memory);
  }
}
