/**
 * Memory for large bodies that is used again: as garbage, half a megabyte a request would make V8 collect its whole heap
 * every fifty requests.
 */

/** Bodies beyond it come seldom. */
const MAX_BODY_BYTES = 16 << 20;
/** Kept for later bodies, altogether. */
const MAX_KEPT_BYTES = 64 << 20;
/** Elements of every type are aligned at multiples of it. */
const ALIGNMENT = 8;

export class BodyPool {
  readonly #kept = new Map<number, Buffer[]>();
  #keptBytes = 0;
  /** What was lent: the body → the memory that it lies in. */
  readonly #lent = new WeakMap<Buffer, Buffer>();

  /**
   * Room for a body, with other bytes in it until it is written.
   * @param head bytes before its first tensor: they are placed so that the tensor is aligned
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
