/** What is known of a call and of who makes it, whatever the transport. */

/** One call, as the gate and a plugin see it. */
export interface Call {
  readonly transport: 'http' | 'grpc';
  /** `POST`, or for gRPC the name of the method. */
  readonly method: string;
  readonly path: string;
  /** Headers or metadata, names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The model that the call is about; absent for calls about none. */
  readonly model?: string;
}

/** Who a caller is: the claims of its token, or what a plugin made of it. */
export type Principal = Readonly<Record<string, unknown>>;
