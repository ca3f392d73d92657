/**
 * The calls of the management API as one table: what is routed, which parameters are taken, and what the description
 * says.
 */
import { type Request, type Response, Router } from 'express';
import { InferenceError, invalid } from '../../protocol/errors.ts';
import { allParameters, type Parameters, queryParameters } from './parameters.ts';

/** A parameter of a call, as the description tells it. */
export interface Parameter {
  readonly type: 'string' | 'integer' | 'boolean';
  readonly description: string;
}

/** An answer: a status, 200 if not given, and a body of JSON. */
export interface CallReply {
  readonly status?: number;
  readonly json: object;
}

/** The values of a call: segments of its path, and parameters. */
export interface CallValues {
  readonly path: Readonly<Record<string, string>>;
  readonly parameters: Parameters;
}

/** One call of the management API. */
export interface ManagementCall {
  readonly method: 'get' | 'post' | 'put' | 'delete' | 'options';
  /** Path, with the names of its variable segments in braces. */
  readonly path: string;
  readonly summary: string;
  readonly parameters?: Readonly<Record<string, Parameter>>;
  /** Parameters of TorchServe's that are refused, and why. */
  readonly refused?: Readonly<Record<string, string>>;
  /** True when the parameters may come as a body in JSON. */
  readonly takesBody?: boolean;
  /** Carries the call out. @throws InferenceError. */
  answer(values: CallValues): CallReply | Promise<CallReply>;
}

/** Makes the routes of calls. Other methods of their paths are refused by name. */
export function callRouter(calls: readonly ManagementCall[]): Router {
  const router = Router();
  for (const [path, ofPath] of Map.groupBy(calls, (call) => call.path)) {
    const route = router.route(path.replaceAll(/\{(\w+)\}/g, ':$1'));
    for (const call of ofPath) {
      route[call.method]((req, res) => respond(call, req, res));
    }
    const allowed = ofPath.map(({ method }) => method.toUpperCase()).join(', ');
    route.all((req, res) => {
      res.setHeader('Allow', allowed);
      throw new InferenceError(
        'METHOD_NOT_ALLOWED',
        `${req.method} is not allowed here, use ${allowed.replaceAll(', ', ' or ')}`,
      );
    });
  }
  return router;
}

async function respond(call: ManagementCall, req: Request, res: Response): Promise<void> {
  const parameters = call.takesBody ? await allParameters(req) : queryParameters(req);
  for (const name of parameters.names) mustBeTaken(call, name);
  const path = req.params as Record<string, string>;
  const { status = 200, json } = await call.answer({ path, parameters });
  res.status(status).json(json);
}

/**
 * Checks that a call takes a parameter: one that is passed over would promise what does not come.
 * @throws InferenceError INVALID_ARGUMENT.
 */
function mustBeTaken({ parameters = {}, refused = {} }: ManagementCall, name: string): void {
  if (Object.hasOwn(parameters, name)) return;
  const why = Object.hasOwn(refused, name) ? refused[name] : undefined;
  if (why !== undefined) throw invalid(`${name}: ${why}`);
  const known = Object.keys(parameters).join(', ') || 'no parameters';
  throw invalid(`${name}: is no parameter of this call, which takes ${known}`);
}
