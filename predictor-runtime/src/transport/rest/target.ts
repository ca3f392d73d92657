/** The target of a request, in either of the forms that it may have. Source: RFC 9112, 3.2. */

/** Path and query of a request, as they are written. */
export interface RequestTarget {
  readonly path: string;
  /** Part after the question mark; empty when there is none. */
  readonly query: string;
}

/** Matches the scheme and the authority of a target in absolute form, which clients send as to a proxy. */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^/?]*/i;

/** Takes a target apart; scheme and authority of the absolute form say nothing here. */
export function parseTarget(target: string): RequestTarget {
  const local = target.startsWith('/') ? target : target.replace(ORIGIN, '');
  const mark = local.indexOf('?');
  const path = mark < 0 ? local : local.slice(0, mark);
  return { path: path === '' ? '/' : path, query: mark < 0 ? '' : local.slice(mark + 1) };
}
