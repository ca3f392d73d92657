/** The API server that the tests of this folder share, one namespace for each test. */
import {
  type ApiServer,
  availableApiServer,
  startApiServer,
} from '../../../e2e/harness/api-server.ts';

/** Is `describe` where an API server can be started, and skips the tests elsewhere. */
export const describeWithApiServer = (await availableApiServer()) ? describe : describe.skip;

let shared: Promise<ApiServer> | undefined;

/** Starts the server at the first call; it is stopped after the last test. */
export function sharedApiServer(): Promise<ApiServer> {
  shared ??= startApiServer();
  return shared;
}

after(async () => {
  await (await shared)?.stop();
});
