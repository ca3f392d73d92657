/** Path → handler and parameters. Segments match as they are written or, in braces, anything. */
import { InferenceError, invalid } from '../../protocol/errors.ts';
import type { Handler, Routes } from './reply.ts';

interface Node {
  readonly literal: Map<string, Node>;
  any?: { readonly name: string; readonly node: Node };
  readonly handlers: Map<string, Handler>;
}

export interface Match {
  readonly handler: Handler;
  readonly params: Readonly<Record<string, string>>;
}

/** Paths that are looked up once: what clients ask for is always the same few. */
const MAX_KNOWN = 1000;

export class Router {
  readonly #root = node();
  /** Method → path → what was found for it. */
  readonly #known = new Map<string, Map<string, Match>>();

  constructor(...tables: readonly Routes[]) {
    for (const [route, handler] of tables.flatMap((table) => Object.entries(table))) {
      const [method = '', path = ''] = route.split(' ');
      let at = this.#root;
      for (const segment of segments(path)) {
        const name = /^\{(\w+)\}$/.exec(segment)?.[1];
        if (name === undefined) {
          const next = at.literal.get(segment) ?? node();
          at.literal.set(segment, next);
          at = next;
        } else {
          at.any ??= { name, node: node() };
          at = at.any.node;
        }
      }
      at.handlers.set(method, handler);
    }
  }

  /** @throws InferenceError NOT_FOUND, METHOD_NOT_ALLOWED, INVALID_ARGUMENT. */
  find(method: string, path: string): Match {
    let known = this.#known.get(method);
    if (known === undefined) {
      known = new Map();
      this.#known.set(method, known);
    }
    const match = known.get(path) ?? this.#find(method, path);
    if (known.size < MAX_KNOWN) known.set(path, match);
    return match;
  }

  #find(method: string, path: string): Match {
    const params: Record<string, string> = {};
    let at: Node | undefined = this.#root;
    for (const segment of segments(path)) {
      const next: Node | undefined = at?.literal.get(segment);
      if (next === undefined && at?.any !== undefined) {
        params[at.any.name] = decodeSegment(segment);
        at = at.any.node;
      } else {
        at = next;
      }
    }
    if (at === undefined || at.handlers.size === 0) {
      throw new InferenceError('NOT_FOUND', `no such path: ${method} ${path}`);
    }
    const handler = at.handlers.get(method === 'HEAD' ? 'GET' : method);
    if (handler === undefined) {
      const allowed = [...at.handlers.keys()].join(' or ');
      throw new InferenceError(
        'METHOD_NOT_ALLOWED',
        `${method} is not allowed here, use ${allowed}`,
      );
    }
    return { handler, params };
  }
}

function node(): Node {
  return { literal: new Map(), handlers: new Map() };
}

/** V1's verbs, as in `iris:predict`, are segments of their own; an empty last segment is none. */
function segments(path: string): string[] {
  return path
    .replace(/(?<!\/):(\w+)$/, '/:$1')
    .split('/')
    .filter((segment, i, all) => i > 0 && (segment !== '' || i < all.length - 1));
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw invalid(`path segment '${segment}' is not percent-encoded`);
  }
}
