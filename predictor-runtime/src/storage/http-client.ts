/**
 * Sends the requests of stores that speak HTTP: ranges, redirects and refusals. A redirect to a link-local address,
 * where clouds keep the credentials of machines, is not followed unless STORAGE_ALLOW_LINK_LOCAL=1.
 */
import { lookup as resolve } from 'node:dns';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { Env } from '../platform/environment.ts';
import { https, request } from '../platform/node-http.ts';
import { type Range, StoreError } from './store.ts';

const MAX_REDIRECTS = 5;
const TIMEOUT_MS = 30_000;

/** Addresses that a redirect may not lead to. */
const LINK_LOCAL = new BlockList();
LINK_LOCAL.addSubnet('169.254.0.0', 16, 'ipv4');
LINK_LOCAL.addSubnet('fe80::', 10, 'ipv6');
// This is AWS's metadata service over IPv6.
LINK_LOCAL.addAddress('fd00:ec2::254', 'ipv6');

/** A request, without its URL. */
export interface HttpOptions {
  readonly env: Env;
  readonly headers?: OutgoingHttpHeaders;
  readonly range?: Range;
  readonly method?: 'GET' | 'HEAD';
  /** Statuses above 299 with which the response is returned all the same. */
  readonly accept?: readonly number[];
}

/**
 * Returns the response, after redirects.
 * @throws StoreError with the status, which is transient for 408, 429 and 5xx.
 */
export async function httpGet(url: URL, options: HttpOptions): Promise<IncomingMessage> {
  let target = url;
  let headers = { ...options.headers };
  for (let i = 0; i <= MAX_REDIRECTS; i++) {
    const response = await once(target, { ...options, headers }, i > 0);
    const { statusCode = 0, statusMessage = '', headers: answered } = response;
    const isRedirect = statusCode >= 301 && statusCode <= 308 && answered.location !== undefined;
    if (!isRedirect) {
      if (statusCode < 300 || options.accept?.includes(statusCode)) return response;
      response.resume();
      const transient = statusCode >= 500 || statusCode === 429 || statusCode === 408;
      throw new StoreError(`the server answered ${statusCode} ${statusMessage}`, { transient });
    }
    response.resume();
    const next = new URL(answered.location as string, target);
    // Credentials are only for the server that they were given for.
    if (next.host !== target.host) headers = withoutCredentials(headers);
    target = next;
  }
  throw new StoreError(`more than ${MAX_REDIRECTS} redirects`);
}

/** Returns the whole response as text. @throws StoreError as `httpGet` does. */
export async function httpText(url: URL, options: HttpOptions): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of await httpGet(url, options)) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** Sends one request. @param redirected true when the server, not the user, chose the URL */
function once(url: URL, options: HttpOptions, redirected: boolean): Promise<IncomingMessage> {
  const { env, headers, range, method = 'GET' } = options;
  const guarded = redirected && env.STORAGE_ALLOW_LINK_LOCAL !== '1';
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new StoreError(`redirect to ${url.protocol} is not followed`);
  }
  if (guarded && isLinkLocal(url.hostname)) throw refusedRedirect(url);
  const send = url.protocol === 'https:' ? https().request : request;
  return new Promise((fulfil, reject) => {
    const req = send(
      url,
      {
        method,
        headers: {
          'user-agent': 'wherry',
          ...headers,
          ...(range && { range: `bytes=${range.start}-${range.end - 1}` }),
        },
        timeout: TIMEOUT_MS,
        ...(guarded && { lookup: guardedLookup(url) }),
      },
      fulfil,
    );
    req.on('timeout', () => req.destroy(new Error(`no answer for ${TIMEOUT_MS / 1000} s`)));
    req.on('error', (error) => {
      const known = error instanceof StoreError;
      reject(
        known
          ? error
          : new StoreError(error.message || String((error as NodeJS.ErrnoException).code), {
              transient: true,
              cause: error,
            }),
      );
    });
    req.end();
  });
}

/**
 * Makes a lookup that refuses link-local addresses. What it checks is what is connected to, so that a name cannot
 * change in between.
 */
function guardedLookup(url: URL): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      if (addresses.some(({ address }) => isLinkLocal(address))) {
        return callback(refusedRedirect(url), []);
      }
      const [first] = addresses;
      if (options.all) return callback(null, addresses);
      return callback(null, first?.address ?? '', first?.family);
    });
  };
}

function isLinkLocal(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, '');
  const family = isIP(address);
  return family !== 0 && LINK_LOCAL.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

function refusedRedirect({ host }: URL): StoreError {
  return new StoreError(
    `redirect to the link-local address ${host} is not followed: set STORAGE_ALLOW_LINK_LOCAL=1 if it is meant`,
  );
}

function withoutCredentials(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(authorization|cookie)$/i.test(name)),
  );
}
