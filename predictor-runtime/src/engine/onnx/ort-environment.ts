/** The environment of ONNX Runtime, one for the whole process. */
import { cString, ort, ortAsync, ortOut, type Pointer } from './ort-api.ts';
import { CPU_MEMORY } from './ort-value.ts';

/** Level ORT_LOGGING_LEVEL_FATAL: every error reaches its caller as a status. */
const LOG_FATAL = 4;
let bare: Promise<Pointer> | undefined;
let environment: Promise<Pointer> | undefined;

/** Begins to make the process's environment, in 20 ms off the event loop, for a model that is about to come. */
export function beginEnvironment(): Promise<Pointer> {
  bare ??= createEnvironment();
  return bare;
}

/**
 * Returns the process's environment, which is made where it was not begun.
 * @param arenaBytes ceiling of the memory that all sessions' runs may take, in bytes; 0 is none. Later calls do not change it.
 */
export function ortEnvironment(arenaBytes: number): Promise<Pointer> {
  environment ??= withArena(beginEnvironment(), arenaBytes);
  return environment;
}

async function createEnvironment(): Promise<Pointer> {
  const out = new BigUint64Array(1);
  await ortAsync('CreateEnv', LOG_FATAL, 'wherry', out);
  return out[0] as Pointer;
}

async function withArena(begun: Promise<Pointer>, arenaBytes: number): Promise<Pointer> {
  const created = await begun;
  if (arenaBytes > 0) {
    const keys = BigUint64Array.of(cString('max_mem'));
    const arena = ortOut('CreateArenaCfgV2', keys, BigUint64Array.of(BigInt(arenaBytes)), 1);
    const provider = 'CPUExecutionProvider';
    ort('CreateAndRegisterAllocatorV2', created, provider, CPU_MEMORY, arena, null, null, 0);
  }
  return created;
}
