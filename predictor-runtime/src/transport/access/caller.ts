/** A call and who makes it, whatever the transport. */

/** One call, as the gate and a plugin see it. */
export interface Call {
  /** Protocol that carries the call. */
  readonly transport: 'http' | 'grpc';
  /** Method of the call: `POST`, or for gRPC the name of the method. */
  readonly method: string;
  /** Path of the URL, without its query; for gRPC the full name of the method. */
  readonly path: string;
  /** Headers or metadata; their names are in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Model that the call is about; absent for calls about none. */
  readonly model?: string;
}

/** Identity of a caller: the claims of its token, or what a plugin made of it. */
export type Principal = Readonly<Record<string, unknown>>;
