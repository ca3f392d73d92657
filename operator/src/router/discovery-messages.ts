/** Translates between Envoy's incremental discovery messages and what a Subscription takes and gives. */
import { RESOURCE_TYPES, type Resource, type ResourceType } from './configuration.ts';
import type { Message } from './protos.ts';

/** A router's message: a subscription, an acknowledgement (ACK) or a refusal (NACK). */
export interface DiscoveryRequest {
  readonly type: ResourceType;
  /** Names that the router wants from now on; endpoints only, as it wants all of the other kinds. */
  readonly subscribe?: readonly string[];
  /** Names that the router wants no more. */
  readonly unsubscribe?: readonly string[];
  /**
   * Versions by name of what the router has from an earlier connection; only in the first message of a kind.
   */
  readonly initialVersions?: Readonly<Record<string, string>>;
  /** The nonce of the response that this message answers; '' for none. */
  readonly nonce: string;
  /** The router's reason to refuse that response, in Envoy's words; undefined for an ACK. */
  readonly error?: string;
}

/** One response: the resources that are new or changed, and the names of those that go. */
export interface DiscoveryResponse {
  readonly type: ResourceType;
  /** The name of this response in the router's answer. */
  readonly nonce: string;
  readonly resources: ReadonlyMap<string, Resource>;
  /** Names of the resources that go. */
  readonly removed: readonly string[];
}

const TYPE_URL = 'type.googleapis.com/';

const TYPE_OF_URL = new Map(
  Object.entries(RESOURCE_TYPES).map(([type, name]) => [TYPE_URL + name, type as ResourceType]),
);

/**
 * Reads an envoy.service.discovery.v3.DeltaDiscoveryRequest; undefined when it is about a kind of resource
 * that is not served here.
 */
export function discoveryRequest(message: Message): DiscoveryRequest | undefined {
  const type = TYPE_OF_URL.get(String(message.type_url));
  if (type === undefined) return undefined;
  const detail = message.error_detail as { message?: string } | null | undefined;
  return {
    type,
    subscribe: (message.resource_names_subscribe as string[] | undefined) ?? [],
    unsubscribe: (message.resource_names_unsubscribe as string[] | undefined) ?? [],
    initialVersions: (message.initial_resource_versions as Record<string, string>) ?? {},
    nonce: String(message.response_nonce ?? ''),
    // A refusal without words is one all the same.
    ...(detail ? { error: detail.message || 'refused without a reason' } : {}),
  };
}

/** Writes an envoy.service.discovery.v3.DeltaDiscoveryResponse. */
export function discoveryResponse({ type, nonce, resources, removed }: DiscoveryResponse): Message {
  const type_url = TYPE_URL + RESOURCE_TYPES[type];
  return {
    type_url,
    nonce,
    resources: [...resources].map(([name, { version, bytes }]) => ({
      name,
      version,
      resource: { type_url, value: bytes },
    })),
    removed_resources: removed,
  };
}
