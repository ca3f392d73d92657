/** Triton's queue policies ↔ the rules of a queue. Source: Triton, model_config.proto, ModelQueuePolicy. */
import type { QueuePolicy, WaitPolicy } from '../scheduling/request-queue.ts';

/** The message ModelQueuePolicy. */
export interface QueuePolicyMessage {
  timeout_action?: string;
  default_timeout_microseconds?: number;
  allow_timeout_override?: boolean;
  max_queue_size?: number;
}

/** Fields of ModelDynamicBatching that are about the queue. */
export interface QueueMessage {
  priority_levels?: number;
  default_priority_level?: number;
  default_queue_policy?: QueuePolicyMessage;
  priority_queue_policy?: Record<string, QueuePolicyMessage>;
}

/** Checks that what keeps the order of the requests is asked for alone. @throws SyntaxError with the field. */
export function checkOrder(queue: QueuePolicy, preservesOrder: boolean): void {
  if (!preservesOrder) return;
  const rules = [queue.wait, ...(queue.waitByPriority?.values() ?? [])];
  if (queue.priorityLevels > 1 || rules.some((rule) => rule?.onTimeout === 'delay')) {
    throw new SyntaxError(
      'dynamic_batching.preserve_ordering: needs one priority level, and no timeout_action DELAY',
    );
  }
}

const US_PER_MS = 1000;

/** Reads what a configuration says of the queue over the defaults. @throws SyntaxError with the field. */
export function queuePolicyOf(
  message: QueueMessage | undefined,
  defaults: QueuePolicy,
): QueuePolicy {
  if (message === undefined) return defaults;
  const levels = message.priority_levels ?? defaults.priorityLevels;
  const level = message.default_priority_level ?? defaults.defaultPriority;
  if (levels > 0 && (level < 1 || level > levels)) {
    throw new SyntaxError(
      `dynamic_batching.default_priority_level: expected 1 to priority_levels, which is ${levels}, got ${level}`,
    );
  }
  const { default_queue_policy: wait, priority_queue_policy: byPriority = {} } = message;
  return {
    ...defaults,
    priorityLevels: levels,
    defaultPriority: level,
    wait: wait && waitPolicy(wait),
    waitByPriority: new Map(
      Object.entries(byPriority).map(([key, policy]) => {
        const path = `dynamic_batching.priority_queue_policy[${key}]`;
        return [priorityOf(key, levels, path), waitPolicy(policy)];
      }),
    ),
  };
}

function priorityOf(key: string, levels: number, path: string): number {
  const level = Number(key);
  if (Number.isInteger(level) && level >= 1 && level <= levels) return level;
  throw new SyntaxError(`${path}: expected a key of 1 to priority_levels, which is ${levels}`);
}

function waitPolicy(message: QueuePolicyMessage): WaitPolicy {
  return {
    maxRequests: message.max_queue_size ?? 0,
    timeoutMs: (message.default_timeout_microseconds ?? 0) / US_PER_MS,
    onTimeout: message.timeout_action === 'DELAY' ? 'delay' : 'reject',
    allowsOverride: message.allow_timeout_override ?? false,
  };
}

/** Writes the rules of a queue as fields of ModelDynamicBatching. */
export function toQueueMessage(policy: QueuePolicy): QueueMessage {
  const { priorityLevels, defaultPriority, wait, waitByPriority = new Map() } = policy;
  return {
    priority_levels: priorityLevels,
    default_priority_level: priorityLevels > 0 ? defaultPriority : 0,
    ...(wait && { default_queue_policy: toMessage(wait) }),
    priority_queue_policy: Object.fromEntries(
      [...waitByPriority].map(([level, own]) => [String(level), toMessage(own)]),
    ),
  };
}

function toMessage({
  onTimeout,
  timeoutMs,
  allowsOverride,
  maxRequests,
}: WaitPolicy): QueuePolicyMessage {
  return {
    timeout_action: onTimeout === 'delay' ? 'DELAY' : 'REJECT',
    default_timeout_microseconds: timeoutMs * US_PER_MS,
    allow_timeout_override: allowsOverride,
    max_queue_size: maxRequests,
  };
}
