/**
 * The gate decides who may call: by bearer tokens, JSON web tokens, and what plugins say. Health and metrics are open
 * to everybody.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { JSONWebKeySet } from 'jose';
import { InferenceError } from '../../protocol/errors.ts';
import type { Call, Principal } from './caller.ts';
import type { ServerPlugin } from './server-plugin.ts';

/** Credentials that the server accepts. */
export interface AccessOptions {
  /** File with a token on each line. */
  readonly tokenFile?: string;
  /** Keys that sign tokens: a file, or a URL that is asked when a key is unknown. */
  readonly jwks?: string;
  readonly issuer?: string;
  readonly audience?: string;
}

/**
 * Finds out who calls; undefined when the credentials are none of its kind.
 * @throws InferenceError UNAUTHENTICATED when they are wrong.
 */
type Authenticator = (call: Call) => Promise<Principal | undefined>;

/** Admits calls, or refuses them. */
export class Gate {
  readonly #authenticators: readonly Authenticator[];
  readonly #plugins: readonly ServerPlugin[];

  /** Reads the credentials. @throws Error when a file cannot be read. */
  constructor(options: AccessOptions, plugins: readonly ServerPlugin[] = []) {
    this.#plugins = plugins;
    const ofPlugins = plugins.flatMap(({ authenticate }) => (authenticate ? [authenticate] : []));
    this.#authenticators = [
      ...(options.tokenFile === undefined ? [] : [staticTokens(readTokens(options.tokenFile))]),
      ...(options.jwks === undefined ? [] : [webTokens(options.jwks, options)]),
      ...ofPlugins.map((authenticate) => async (call: Call) => authenticate(call)),
    ];
  }

  /** True when every call is admitted, so that nobody has to be asked. */
  get isOpen(): boolean {
    return this.#authenticators.length === 0 && !this.#plugins.some(({ authorize }) => authorize);
  }

  /** Admits a call. @throws InferenceError UNAUTHENTICATED, PERMISSION_DENIED. */
  async admit(call: Call): Promise<void> {
    const principal = await this.#authenticate(call);
    for (const { name, authorize } of this.#plugins) {
      if (authorize === undefined || (await authorize(principal, call)) === true) continue;
      const what = call.model === undefined ? call.path : `model '${call.model}'`;
      throw new InferenceError(
        'PERMISSION_DENIED',
        `${what} is not for you, says plugin '${name}'`,
      );
    }
  }

  async #authenticate(call: Call): Promise<Principal> {
    if (this.#authenticators.length === 0) return {};
    for (const authenticate of this.#authenticators) {
      const principal = await authenticate(call);
      if (principal !== undefined) return principal;
    }
    throw unauthenticated('needs credentials: send Authorization: Bearer TOKEN');
  }
}

/** Returns the token of an `Authorization: Bearer` header; undefined when there is none. */
export function bearerToken(headers: Call['headers']): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
}

/** Reads the tokens of a file, a line each; empty lines and `#` comments are none. @throws Error. */
export function readTokens(file: string): string[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  const tokens = lines.map((line) => line.trim()).filter((line) => line !== '' && line[0] !== '#');
  if (tokens.length === 0) throw new Error(`${file} holds no token`);
  return tokens;
}

/** True when `token` is one of `tokens`; takes as long for a near miss as for a far one. */
export function isOneOf(token: string, tokens: readonly string[]): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const given = digest(token);
  return tokens.filter((known) => timingSafeEqual(digest(known), given)).length > 0;
}

function staticTokens(tokens: readonly string[]): Authenticator {
  return async ({ headers }) => {
    const token = bearerToken(headers);
    return token !== undefined && isOneOf(token, tokens) ? { sub: 'token' } : undefined;
  };
}

/** Accepts JSON web tokens. The library is loaded for the first token: most servers never see one. */
function webTokens(jwks: string, { issuer, audience }: AccessOptions): Authenticator {
  const isRemote = /^https?:/.test(jwks);
  const local = isRemote ? undefined : readKeySet(jwks);
  const verifier = once(async () => {
    const { createLocalJWKSet, createRemoteJWKSet, jwtVerify } = await import('jose');
    const keys = local === undefined ? createRemoteJWKSet(new URL(jwks)) : createLocalJWKSet(local);
    return (token: string) => jwtVerify(token, keys, { issuer, audience });
  });
  return async ({ headers }) => {
    const token = bearerToken(headers);
    // A JSON web token has three parts with dots between.
    if (token === undefined || token.split('.').length !== 3) return undefined;
    const verify = await verifier();
    try {
      return (await verify(token)).payload;
    } catch (error) {
      throw unauthenticated(`token is refused: ${(error as Error).message}`);
    }
  };
}

/** Reads a key set of a file. @throws Error when the file cannot be read, or holds something else. */
function readKeySet(file: string): JSONWebKeySet {
  const set = JSON.parse(readFileSync(file, 'utf8')) as JSONWebKeySet | null;
  if (!Array.isArray(set?.keys)) {
    throw new Error(`${file} is no JSON Web Key Set: it has no array 'keys'`);
  }
  return set;
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function unauthenticated(message: string): InferenceError {
  return new InferenceError('UNAUTHENTICATED', message);
}
