/** Headers of gRPC's requests and answers. Source: gRPC over HTTP/2, "Requests" and "Responses". */
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { Metadata } from '@grpc/grpc-js';
import { isCompression } from './compression.ts';
import { CallError, type CallStatus, Status } from './status.ts';

const { HTTP2_HEADER_STATUS, HTTP2_HEADER_CONTENT_TYPE } = constants;

const CONTENT_TYPE = /^application\/grpc([+;]|$)/;
const TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const MILLISECONDS: Readonly<Record<string, number>> = {
  ...{ H: 3_600_000, M: 60_000, S: 1000 },
  ...{ m: 1, u: 1e-3, n: 1e-6 },
};
/** Headers that are of the protocol, and no metadata of the caller's. */
const OF_PROTOCOL = ['grpc-timeout', 'grpc-encoding', 'grpc-accept-encoding', 'te', 'content-type'];

/** Headers of every answer of gRPC. */
export const ANSWER_HEADERS: OutgoingHttpHeaders = {
  [HTTP2_HEADER_STATUS]: 200,
  [HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
  'grpc-accept-encoding': 'identity,gzip,deflate',
};

/** Says whether a request is one of gRPC at all; others are told so by HTTP's own status 415. */
export function isGrpc(headers: IncomingHttpHeaders): boolean {
  return headers[':method'] === 'POST' && CONTENT_TYPE.test(headers['content-type'] ?? '');
}

/**
 * Returns the milliseconds that a caller waits; undefined when it names no time.
 * @throws CallError INTERNAL for a text that is no time
 */
export function timeoutOf(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['grpc-timeout'];
  if (text === undefined) return undefined;
  const [, amount, unit = ''] = TIMEOUT.exec(String(text)) ?? [];
  if (amount === undefined)
    throw new CallError(Status.INTERNAL, `grpc-timeout: '${text}' is no time`);
  return Number(amount) * (MILLISECONDS[unit] as number);
}

/**
 * Returns the compression of a request's messages.
 * @throws CallError UNIMPLEMENTED for one that there is not
 */
export function compressionOf(headers: IncomingHttpHeaders) {
  const name = headers['grpc-encoding'] ?? 'identity';
  if (isCompression(name)) return name;
  const message = `grpc-encoding: '${name}' is not known, send identity, gzip or deflate`;
  throw new CallError(Status.UNIMPLEMENTED, message);
}

/** Returns the caller's metadata. */
export function metadataOf(headers: IncomingHttpHeaders): Metadata {
  const metadata = Metadata.fromHttp2Headers(headers);
  for (const name of OF_PROTOCOL) metadata.remove(name);
  return metadata;
}

/** Returns the headers that tell how a call has ended. */
export function statusHeaders({ code, details }: CallStatus): OutgoingHttpHeaders {
  const status = { 'grpc-status': String(code) };
  return details === '' ? status : { ...status, 'grpc-message': encodeURI(details.toWellFormed()) };
}
