/** The metadata of the server, which is the same over every transport. */
import { readFileSync } from 'node:fs';
import { packageFile } from '../../platform/package-files.ts';

const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
  version: string;
};

/** The answer to V2's "Server Metadata"; the names of the extensions are Triton's. */
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
