/** koffi, which calls functions of C libraries; its settings must be made before the first of them is loaded. */
import koffi from 'koffi';

koffi.config({
  // Kernels and parsers of ONNX Runtime need a real stack; koffi's own are 128 KiB.
  sync_stack_size: 8 << 20,
  async_stack_size: 8 << 20,
  // Those of calls beyond these are mapped and unmapped for each.
  resident_async_pools: 16,
});

export { koffi };
