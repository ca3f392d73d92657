/** What a file has and is not evaluated here, and how its model can be served nevertheless. */

const RUNTIMES = {
  xgboost: 'serve it with the runtime kserve-xgbserver',
  lightgbm: 'serve it with the runtime kserve-lgbserver',
  sklearn: 'serve it with the runtime kserve-sklearnserver, which runs the file, if you trust it',
} as const;

export class UnsupportedModelError extends Error {
  constructor(format: keyof typeof RUNTIMES, what: string) {
    super(`${what}; export the model to ONNX, or ${RUNTIMES[format]}`);
    this.name = 'UnsupportedModelError';
  }
}
