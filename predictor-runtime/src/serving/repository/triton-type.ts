/** Triton's names of datatypes: V2's with a prefix, but for strings. */
import type { Datatype } from '../../protocol/v2/datatypes.ts';

/** Returns Triton's name of a datatype. */
export function tritonType(type: Datatype): string {
  return type === 'BYTES' ? 'TYPE_STRING' : `TYPE_${type}`;
}
