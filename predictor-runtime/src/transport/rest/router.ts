/** Finds the handler and the parameters of a path; what finds nothing is told as the errors of the protocol. */
import findMyWay, { type HTTPMethod } from 'find-my-way';
import { InferenceError, invalid } from '../../protocol/errors.ts';
import type { Handler, Routes } from './reply.ts';

/** A handler, and what the path says to it. */
export interface Match {
  readonly handler: Handler;
  /** Segments of the path that the route names in braces, decoded. */
  readonly params: Readonly<Record<string, string>>;
}

/** Most paths whose matches are kept: clients ask for the same few. */
const MAX_KEPT = 1000;
/** Longest path whose match is kept, so that few take little memory. */
const MAX_KEPT_LENGTH = 256;
/** Longest parameter of a path: names of models are bounded by the request's head, which Node bounds. */
const MAX_PARAM_LENGTH = Number.MAX_SAFE_INTEGER;

/** Finds the handler of a request by its method and path. */
export class Router {
  readonly #paths = findMyWay({ maxParamLength: MAX_PARAM_LENGTH });
  readonly #methods = new Set<string>();
  /** Matches of paths that were asked for, by method. */
  readonly #kept = new Map<string, Map<string, Match>>();

  /**
   * Makes a router of tables; where two have the same route, the earlier table's counts.
   * @throws Error for a method that is none of HTTP's.
   */
  constructor(...tables: readonly Routes[]) {
    const known = new Set<string>();
    for (const [route, handler] of tables.flatMap((table) => Object.entries(table))) {
      const [method = '', path = ''] = route.split(' ');
      const pattern = patternOf(path);
      // find-my-way's own question reads every route again, which takes 3 ms of a start.
      const key = `${method} ${canonical(path).replaceAll(/\{\w+\}/g, '{}')}`;
      if (known.has(key)) continue;
      known.add(key);
      this.#methods.add(method);
      // find-my-way keeps the handler with the route and does not call it: its own handlers have other arguments.
      this.#paths.on(method as HTTPMethod, pattern, () => undefined, handler);
    }
  }

  /** Finds the handler of a path. @throws InferenceError NOT_FOUND, METHOD_NOT_ALLOWED, INVALID_ARGUMENT. */
  find(method: string, path: string): Match {
    const kept = this.#keptOf(method);
    const known = kept.get(path);
    if (known !== undefined) return known;
    const match = this.#search(method, path);
    if (path.length > MAX_KEPT_LENGTH) return match;
    if (kept.size === MAX_KEPT) kept.clear();
    kept.set(path, match);
    return match;
  }

  #keptOf(method: string): Map<string, Match> {
    const kept = this.#kept.get(method) ?? new Map<string, Match>();
    this.#kept.set(method, kept);
    return kept;
  }

  #search(method: string, path: string): Match {
    const wanted = method === 'HEAD' ? 'GET' : (method as HTTPMethod);
    const target = canonical(path);
    let found = this.#paths.find(wanted, target);
    // What looks like V1's verb may be part of a model's name.
    if (found === null && this.#allowed(target).length === 0) {
      found = this.#paths.find(wanted, withoutSlash(path));
    }
    if (found === null) throw this.#absence(method, path);
    return { handler: found.store, params: found.params as Match['params'] };
  }

  /** Returns the methods that a path has a route for. */
  #allowed(target: string): string[] {
    return [...this.#methods].filter(
      (method) => this.#paths.find(method as HTTPMethod, target) !== null,
    );
  }

  #absence(method: string, path: string): InferenceError {
    const garbled = path.split('/').find((segment) => !isPercentEncoded(segment));
    if (garbled !== undefined) return invalid(`path segment '${garbled}' is not percent-encoded`);
    const allowed = this.#allowed(canonical(path));
    return allowed.length === 0
      ? new InferenceError('NOT_FOUND', `no such path: ${method} ${path}`)
      : new InferenceError(
          'METHOD_NOT_ALLOWED',
          `${method} is not allowed here, use ${allowed.join(' or ')}`,
        );
  }
}

/** Translates `{name}` to find-my-way's `:name`; its `::` is a colon. */
function patternOf(path: string): string {
  const segments = canonical(path).split('/');
  return segments
    .map((segment) => {
      const name = /^\{(\w+)\}$/.exec(segment)?.[1];
      return name === undefined ? segment.replaceAll(':', '::') : `:${name}`;
    })
    .join('/');
}

/** Makes V1's verb, as in `iris:predict`, a segment of its own, and drops a slash at the end of the last segment. */
function canonical(path: string): string {
  return withoutSlash(path.replace(/(?<!\/):(\w+)$/, '/:$1'));
}

function withoutSlash(path: string): string {
  return path.replace(/(?<=[^/])\/$/, '');
}

function isPercentEncoded(segment: string): boolean {
  try {
    decodeURIComponent(segment);
    return true;
  } catch {
    return false;
  }
}
