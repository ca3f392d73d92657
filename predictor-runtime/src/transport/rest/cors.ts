/** Cross-origin resource sharing: which pages' scripts may call. Source: Fetch standard, "HTTP-CORS protocol". */
import type { IncomingMessage, ServerResponse } from 'node:http';

const PREFLIGHT_SECONDS = '600';

/**
 * Sets the headers that let the caller's page read the answer.
 * @returns true when the request only asks for permission, and is answered with it
 */
export function allowOrigin(
  req: IncomingMessage,
  res: ServerResponse,
  origins: readonly string[],
): boolean {
  const { origin } = req.headers;
  if (origin === undefined || origins.length === 0) return false;
  if (!origins.includes('*') && !origins.includes(origin)) return false;
  res.setHeader('Access-Control-Allow-Origin', origins.includes('*') ? '*' : origin);
  res.setHeader('Vary', 'Origin');
  res.setHeader('Access-Control-Expose-Headers', 'Inference-Header-Content-Length, Retry-After');
  const wanted = req.headers['access-control-request-method'];
  if (req.method !== 'OPTIONS' || wanted === undefined) return false;
  res.setHeader('Access-Control-Allow-Methods', 'GET, HEAD, POST');
  res.setHeader(
    'Access-Control-Allow-Headers',
    req.headers['access-control-request-headers'] ?? 'Content-Type, Authorization',
  );
  res.setHeader('Access-Control-Max-Age', PREFLIGHT_SECONDS);
  return true;
}
