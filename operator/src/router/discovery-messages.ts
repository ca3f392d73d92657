/** Envoy's incremental discovery messages ↔ what a Subscription takes and gives. */
import { RESOURCE_TYPES, type ResourceType } from './configuration.ts';
import type { Message } from './protos.ts';
import type { DiscoveryRequest, DiscoveryResponse } from './subscription.ts';

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
