/**
 * This is the entry of the control plane's thread, whose event loop knows nothing of reconciles and big
 * lists.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { RouteChange } from '../api/route-table.ts';
import type { RouterFact } from '../api/router-fact.ts';
import type { TlsCredentials } from '../certificates/issue.ts';
import { LoopDelay } from '../loop-delay.ts';
import { ControlPlane } from './control-plane.ts';
import type { HoldRefusal } from './hold.ts';
import { EnvoyProtos } from './protos.ts';
import type { Release } from './releases.ts';
import type { ListenerOptions } from './shared-resources.ts';

/** A message to the control plane's thread, which asks it to do something. */
export type ControlCommand =
  | { readonly kind: 'update'; readonly changes: readonly RouteChange[] }
  | { readonly kind: 'listen'; readonly address: string; readonly tls?: TlsCredentials }
  | { readonly kind: 'renew'; readonly tls: TlsCredentials }
  | { readonly kind: 'routersEnd'; readonly ends: ReadonlyMap<string, number> }
  | { readonly kind: 'facts' }
  | { readonly kind: 'loopDelay' }
  | { readonly kind: 'close' };

/** A message from the control plane's thread, of its own or as an answer to a command. */
export type ControlEvent =
  | { readonly kind: 'facts'; readonly facts: readonly RouterFact[] }
  | { readonly kind: 'released'; readonly release: Release }
  | { readonly kind: 'refusal'; readonly refusal: HoldRefusal }
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'loopDelay'; readonly seconds: number };

const port = parentPort;
if (port === null) throw new Error('thread.ts runs in a worker thread');
const loopDelay = new LoopDelay();
const tell = (event: ControlEvent) => port.postMessage(event);
const controlPlane = new ControlPlane({
  protos: new EnvoyProtos(),
  listener: workerData as ListenerOptions | undefined,
  onFacts: (facts) => tell({ kind: 'facts', facts }),
  onRelease: (release) => tell({ kind: 'released', release }),
  onRefusal: (refusal) => tell({ kind: 'refusal', refusal }),
});

port.on('message', (command: ControlCommand) => {
  if (command.kind === 'update') {
    controlPlane.update(command.changes);
  } else if (command.kind === 'routersEnd') {
    controlPlane.routersEnd(command.ends);
  } else if (command.kind === 'renew') {
    controlPlane.renew(command.tls);
  } else if (command.kind === 'facts') {
    tell({ kind: 'facts', facts: controlPlane.facts() });
  } else if (command.kind === 'close') {
    controlPlane.close();
    port.close();
  } else if (command.kind === 'loopDelay') {
    tell({ kind: 'loopDelay', seconds: loopDelay.takeP99Seconds() });
  } else {
    controlPlane.listen(command.address, command.tls).then(
      (listening) => tell({ kind: 'listening', port: listening }),
      (error: Error) => tell({ kind: 'failed', error: error.message }),
    );
  }
});
