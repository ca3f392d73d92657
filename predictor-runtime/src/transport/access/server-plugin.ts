/** Plugins of the whole server: custom endpoints, authentication and authorization, in modules of a folder. */

import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Call, Principal } from './caller.ts';

/** Request to a custom endpoint. */
export interface PluginRequest {
  readonly method: string;
  /** Segments of the path that the route names in braces. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
  /** Runs a model of this server: takes a V2 inference request, and returns its answer. */
  infer(model: string, request: object): Promise<object>;
}

/** Answer of a custom endpoint. A `body` that is no string or Buffer is sent as JSON. */
export interface PluginReply {
  readonly status?: number;
  readonly type?: string;
  readonly body?: unknown;
}

/** Exports of a plugin's module; all of them may be absent. */
export interface PluginExports {
  /** Handlers of the custom endpoints by their routes: `METHOD /path/{param}` → handler. */
  readonly routes?: Readonly<
    Record<string, (request: PluginRequest) => PluginReply | Promise<PluginReply>>
  >;
  /**
   * Says who is calling; undefined leaves the question to the next plugin.
   * @throws Error when the credentials are wrong.
   */
  authenticate?(call: Call): Principal | undefined | Promise<Principal | undefined>;
  /** Says whether a caller may make a call. */
  authorize?(principal: Principal, call: Call): boolean | Promise<boolean>;
}

/** A plugin that was loaded. */
export interface ServerPlugin extends PluginExports {
  readonly name: string;
}

/** Loads the `*.mjs` of a folder, in the order of their names. @throws Error that names the module. */
export async function loadServerPlugins(dir: string | undefined): Promise<ServerPlugin[]> {
  if (dir === undefined) return [];
  const files = (await readdir(dir)).filter((file) => file.endsWith('.mjs')).sort();
  const plugins: ServerPlugin[] = [];
  for (const file of files) {
    const path = join(dir, file);
    const module = await import(pathToFileURL(path).href).catch((error: Error) => {
      throw new Error(`plugin ${path}: ${error.message}`, { cause: error });
    });
    const { routes, authenticate, authorize } = module as PluginExports;
    if (!routes && !authenticate && !authorize) {
      throw new Error(`plugin ${path}: exports none of routes, authenticate and authorize`);
    }
    plugins.push({ name: basename(file, '.mjs'), routes, authenticate, authorize });
  }
  return plugins;
}
