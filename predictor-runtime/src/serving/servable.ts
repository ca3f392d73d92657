/** One version of a model, wanted and loaded. The terms are TensorFlow Serving's. */
import type { Loader, Model } from './model.ts';
import type { VersionState } from './transition.ts';

/** A version that a source wants to be loaded. */
export interface AspiredVersion {
  readonly version: number;
  /** Text that changes with the version's files: another one means that the version is to be loaded anew. */
  readonly fingerprint: string;
  /** URL that the model was registered with, or its path. */
  readonly source: string;
  /** True when the server wanted the version as it started. */
  readonly isOfStart: boolean;
  readonly loader: Loader;
}

/** One version of a model, and where it is in its life. */
export interface Servable extends VersionState {
  readonly name: string;
  readonly fingerprint: string;
  readonly source: string;
  readonly isOfStart: boolean;
  readonly loader: Loader;
  aspired: boolean;
  phase: VersionState['phase'];
  /** Reason why the version could not be loaded. */
  error?: string;
  model?: Model;
  inFlight: number;
  /** Memory that the version was expected to take, in bytes. */
  expectedBytes?: number;
  /** Time that loading took, in s. */
  loadSeconds?: number;
  /** Wakes an unload that waits for requests. */
  onIdle?: () => void;
}
