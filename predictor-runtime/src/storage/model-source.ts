/** The source of the folder of a server's one model. */
import type { Env } from '../platform/environment.ts';
import type { Logger } from '../platform/log.ts';
import { Mirror } from './mirror.ts';

/** Settings of a source. */
export interface ModelSourceOptions {
  /** URI that the model is fetched from; undefined when it lies in `modelDir` already. */
  readonly storageUri?: string;
  readonly modelDir: string;
  /** True when the URI is to be looked at again with each refresh. */
  readonly isPolled: boolean;
  readonly env: Env;
  readonly log: Logger;
}

/** Knows the folder of a model, and fetches the model where it has to be fetched. */
export class ModelSource {
  readonly #modelDir: string;
  readonly #isPolled: boolean;
  readonly #mirror: Mirror | undefined;

  constructor({ storageUri, modelDir: dir, isPolled, env, log }: ModelSourceOptions) {
    this.#modelDir = dir;
    this.#isPolled = isPolled;
    this.#mirror = storageUri === undefined ? undefined : new Mirror(storageUri, { dir, env, log });
  }

  /** Folder of the model; undefined as long as it has not been fetched. */
  get folder(): string | undefined {
    return this.#mirror === undefined ? this.#modelDir : this.#mirror.folder;
  }

  /** Milliseconds that the last fetch took; 0 where nothing is fetched. */
  get fetchMs(): number {
    return this.#mirror?.fetchMs ?? 0;
  }

  /** Fetches what is to be fetched, and returns the model's folder. @throws StorageError. */
  async refresh(): Promise<string> {
    const { folder } = this;
    if (this.#mirror === undefined) return this.#modelDir;
    return folder === undefined || this.#isPolled ? this.#mirror.sync() : folder;
  }
}
