/**
 * ONNX Runtime takes 35 ms to be ready for a model, most of it in another thread: where the flags tell that a model of
 * its format comes, it begins before the server listens. Others are spared its 16 MB.
 */
import { readdirSync } from 'node:fs';
import type { Config } from './config.ts';

/** Begins to make ONNX Runtime ready where it will be needed. */
export function beginOnnx(config: Pick<Config, 'modelDir' | 'storageUri'>): void {
  if (!isOnnxExpected(config)) return;
  void import('../engine/onnx/ort-environment.ts')
    .then(({ beginEnvironment }) => beginEnvironment())
    // The model that needs it is told why it is not there.
    .catch(() => undefined);
}

function isOnnxExpected({ modelDir, storageUri }: Parameters<typeof beginOnnx>[0]): boolean {
  if (storageUri !== undefined) return /^builtin:|\.onnx$/.test(storageUri);
  try {
    return readdirSync(modelDir).some((name) => name.endsWith('.onnx'));
  } catch {
    // Whoever loads the model tells that there is no such folder.
    return false;
  }
}
