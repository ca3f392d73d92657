/** The error of a model that is not evaluated here, which says how it can be served nevertheless. */

const RUNTIMES = {
  xgboost: 'serve it with the runtime kserve-xgbserver',
  lightgbm: 'serve it with the runtime kserve-lgbserver',
  sklearn: 'serve it with the runtime kserve-sklearnserver, which runs the file, if you trust it',
} as const;

/**
 * Says what a file has that is not evaluated here, and how its model can be served nevertheless.
 */
export class UnsupportedModelError extends Error {
  /** Makes the error. @param what the thing that is not evaluated, with its verb: `its objective 'x' is unknown` */
  constructor(format: keyof typeof RUNTIMES, what: string) {
    super(`${what}; export the model to ONNX, or ${RUNTIMES[format]}`);
    this.name = 'UnsupportedModelError';
  }
}
