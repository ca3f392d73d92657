/** What the server says of itself, over every transport. */
import { readFileSync } from 'node:fs';

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string };

/** V2 "Server Metadata"; the names of the extensions are Triton's. */
export const SERVER_METADATA = {
  name: 'wherry',
  version,
  extensions: [
    'binary_tensor_data',
    'classification',
    'logging',
    'model_configuration',
    'model_repository',
    'model_repository(unload_dependents)',
    'parameters',
    'schedule_policy',
    'statistics',
  ],
};
