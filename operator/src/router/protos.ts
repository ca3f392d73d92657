/**
 * Translates Envoy's xDS messages between plain objects and protobuf. The .proto files are those that
 * @grpc/grpc-js-xds ships; nothing else of that package is used. Field names are Envoy's own, and an `Any`
 * has its type in "@type".
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import protobuf from 'protobufjs';

const FILES = [
  'envoy/service/discovery/v3/ads.proto',
  'envoy/service/load_stats/v3/lrs.proto',
  'envoy/service/auth/v3/external_auth.proto',
  'envoy/config/cluster/v3/cluster.proto',
  'envoy/config/endpoint/v3/endpoint.proto',
  'envoy/config/listener/v3/listener.proto',
  'envoy/config/route/v3/route.proto',
  'envoy/extensions/filters/http/router/v3/router.proto',
  'envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto',
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
  'envoy/extensions/upstreams/http/v3/http_protocol_options.proto',
  'envoy/extensions/filters/http/lua/v3/lua.proto',
  'envoy/extensions/filters/http/ext_authz/v3/ext_authz.proto',
  'envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.proto',
  'xds/type/v3/typed_struct.proto',
];

/**
 * The fields that are read of Envoy's envoy.service.metrics.v3.StreamMetricsMessage and of Prometheus's messages in it,
 * which grpc-js-xds lacks. Names of messages do not matter in protobuf; the numbers of fields do.
 */
const METRICS_PROTO = `
syntax = "proto3";
package wherry.metrics;
message StreamMetricsMessage { Identifier identifier = 1; repeated MetricFamily envoy_metrics = 2; }
message Identifier { Node node = 1; }
message Node { string id = 1; }
message MetricFamily { string name = 1; repeated Metric metric = 4; }
message Metric { repeated LabelPair label = 1; Counter counter = 3; Histogram histogram = 7; }
message LabelPair { string name = 1; string value = 2; }
message Counter { double value = 1; }
message Histogram { uint64 sample_count = 1; double sample_sum = 2; repeated Bucket bucket = 3; }
message Bucket { uint64 cumulative_count = 1; double upper_bound = 2; }
`;
/** Name of the message that a router streams. */
export const METRICS_MESSAGE = 'wherry.metrics.StreamMetricsMessage';

/** An Envoy message as a plain object, with the field names of its .proto file. */
export type Message = Record<string, unknown>;

/** A codec for the message types of Envoy's v3 API that the control plane uses. */
export class EnvoyProtos {
  readonly #root = new protobuf.Root();

  /** Reads and parses the files: about 0.2 s, once per process. */
  constructor() {
    const require = createRequire(import.meta.url);
    const folderOf = (module: string) => dirname(require.resolve(`${module}/package.json`));
    const deps = join(folderOf('@grpc/grpc-js-xds'), 'deps');
    const folders = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate']
      .map((folder) => join(deps, folder))
      .concat(folderOf('protobufjs'));
    // What is in no folder is one of google/protobuf's files, which protobufjs knows by name.
    this.#root.resolvePath = (_origin, target) =>
      folders.map((folder) => join(folder, target)).find((path) => existsSync(path)) ?? target;
    this.#root.loadSync(FILES, { keepCase: true });
    protobuf.parse(METRICS_PROTO, this.#root, { keepCase: true });
  }

  /**
   * Encodes `message` as protobuf.
   * @param name full name of the message's type, such as envoy.config.cluster.v3.Cluster
   * @throws Error when the type is not known, or a value does not fit its field
   */
  encode(name: string, message: Message): Buffer {
    const type = this.#root.lookupType(name);
    return Buffer.from(type.encode(type.fromObject(message)).finish());
  }

  /**
   * Decodes protobuf of the type `name`: longs as numbers, enums as their names, absent fields with defaults.
   * @param trim may drop from the message what is not worth the translation to a plain object
   * @throws Error when the type is not known or the bytes are not of it
   */
  decode(name: string, bytes: Uint8Array, trim?: (message: Message) => void): Message {
    const type = this.#root.lookupType(name);
    const message = type.decode(bytes);
    trim?.(message as unknown as Message);
    return type.toObject(message, { longs: Number, enums: String, defaults: true });
  }
}
