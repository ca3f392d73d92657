/** ONNX Runtime's library as files: where it lies, and its version. Nothing is loaded here. */
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';

/** Returns the folder of the library and of what may lie beside it. */
export function libraryDirectory(): string {
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  return join(root, 'bin', 'napi-v6', platform(), arch());
}

/** Returns the version of onnxruntime-node, whose library this is. */
export function libraryVersion(): string {
  return createRequire(import.meta.url)('onnxruntime-node/package.json').version;
}

/** Returns the path of the library itself. */
export function libraryPath(): string {
  const file = {
    linux: 'libonnxruntime.so.1',
    darwin: 'libonnxruntime.1.dylib',
    win32: 'onnxruntime.dll',
  }[platform() as 'linux' | 'darwin' | 'win32'];
  return join(libraryDirectory(), file ?? 'libonnxruntime.so.1');
}
