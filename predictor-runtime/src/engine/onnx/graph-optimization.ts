/** Levels to which ONNX Runtime may rewrite a graph before it runs it. */

/** Levels by their names: their numbers in ONNX Runtime. Source: onnxruntime_c_api.h, GraphOptimizationLevel. */
export const GRAPH_OPTIMIZATIONS = { off: 0, basic: 1, extended: 2, all: 99 } as const;

/** Name of a level. */
export type GraphOptimization = keyof typeof GRAPH_OPTIMIZATIONS;
