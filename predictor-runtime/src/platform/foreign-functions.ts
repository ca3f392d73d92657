/** Sets up koffi, which calls functions of C libraries. It must be set up before the first library is loaded. */
import koffi from 'koffi';

koffi.config({
  // Kernels and parsers of ONNX Runtime need a real stack; koffi's own are 128 KiB.
  sync_stack_size: 8 << 20,
  async_stack_size: 8 << 20,
  // Calls at the same time beyond this number have their stacks mapped and unmapped for each call.
  resident_async_pools: 16,
});

export { koffi };
