/**
 * What the management API answers otherwise than TorchServe's, and why: the comparison reads it, and
 * docs/coming-from.md shows it.
 */
import type { KeptDifference } from './differences.ts';

/** Matches the status of the answer to a call. */
function statusOf(call: string): RegExp[] {
  return [new RegExp(`^${escaped(call)}\\.status$`)];
}

/** Matches fields of the answers to a call, whatever place of a list they are in. */
function fieldsOf(call: string, ...fields: readonly string[]): RegExp[] {
  return fields.map((field) => {
    const path = ['json', ...field.split('.')].map(escaped).join('(\\.\\d+)?\\.');
    return new RegExp(`^${escaped(call)}\\.${path}$`);
  });
}

function escaped(text: string): string {
  return text.replace(/[.?]/g, '\\$&');
}

export const TORCHSERVE_DIFFERENCES: readonly KeptDifference[] = [
  {
    what: 'any refusal: `type`, `message`',
    there: 'the name of a class in Java',
    here: 'a code, and what to do',
    why: 'the classes are not here',
    at: [/\.json\.type$/, /\.json\.message$/],
  },
  {
    what: '`GET /models/NAME`: `runtime`',
    there: '`python`',
    here: 'the engine and the format',
    why: 'Python does not run in Node',
    at: fieldsOf('GET /models/NAME', 'runtime'),
  },
  {
    what: '`GET /models/NAME`: `status`, `workers.inFlight`',
    there: 'absent',
    here: 'whether the version serves, and what each worker does',
    why: 'loading takes time here',
    at: fieldsOf('GET /models/NAME', 'status', 'workers.inFlight'),
  },
  {
    what: '`GET /models/NAME`: `deviceType`, `workers.gpu`, `workers.gpuUsage`',
    there: 'of each worker',
    here: 'absent',
    why: 'the execution provider is chosen for the server, by `--execution_providers`',
    at: fieldsOf('GET /models/NAME', 'deviceType', 'workers.gpu', 'workers.gpuUsage'),
  },
  {
    what: '`GET /models/NAME`: `maxBatchDelay`, `responseTimeout`, `jobQueueStatus.remainingCapacity`',
    there: '100 ms, 120 s and 100 if nothing is said',
    here: '`--max_batch_delay_ms`, `--request_timeout_ms` (0 is none) and `--queue_size`',
    why: "the defaults are this server's",
    at: fieldsOf(
      'GET /models/NAME',
      'maxBatchDelay',
      'responseTimeout',
      'jobQueueStatus.remainingCapacity',
    ),
  },
  {
    what: '`GET /models/NAME`: `startupTimeout`, `maxRetryTimeoutInSec`',
    there: '120 and 300',
    here: '0',
    why: 'a start is not limited in time, and a worker that dies is started again for as long as it takes',
    at: fieldsOf('GET /models/NAME', 'startupTimeout', 'maxRetryTimeoutInSec'),
  },
  {
    what: '`GET /models/NAME`: `minWorkers`, `maxWorkers`',
    there: 'what was asked for',
    here: 'the workers that there are',
    why: 'a bound that was asked for is not kept: nothing is started or ended by itself',
    at: fieldsOf('GET /models/NAME', 'minWorkers', 'maxWorkers'),
  },
  {
    what: '`GET /models/NAME/1.0`',
    there: '404 if the archive says `1`',
    here: 'version 1',
    why: 'versions are numbered folders; `1.0` is what archives say by default',
    at: statusOf('GET /models/NAME/1.0'),
  },
  {
    what: '`GET /models/NAME?customized=true`',
    there: 'what the handler tells of itself',
    here: '400',
    why: 'there is no handler; `/v2/models/NAME` has the metadata',
    at: statusOf('GET /models/NAME?customized=true'),
  },
  {
    what: '`GET /models?limit=x`',
    there: '200, as if it were not there',
    here: '400',
    why: 'what cannot be read is not passed over',
    at: statusOf('GET /models?limit=x'),
  },
  {
    what: '`POST /models` without `initial_workers`: `status`',
    there: 'no workers, and no inference',
    here: '`--workers` of them',
    why: 'a model that is loaded serves',
    at: fieldsOf('POST /models without initial_workers', 'status'),
  },
  {
    what: '`POST /models` without `model_name`: `status`',
    there: "the archive's name",
    here: 'the URL',
    why: 'a folder has no other name',
    at: fieldsOf('POST /models without model_name', 'status'),
  },
  {
    what: '`POST /models?handler=H`',
    there: 'another handler',
    here: '400',
    why: 'Python does not run in Node; `plugin.mjs` does',
    at: statusOf('POST /models?handler=H'),
  },
  {
    what: '`POST /models?runtime=R`',
    there: 'another Python',
    here: '400',
    why: 'likewise',
    at: statusOf('POST /models?runtime=R'),
  },
  {
    what: '`POST /models?startup_timeout=N`',
    there: 'a limit',
    here: '400',
    why: 'a start is not limited in time',
    at: statusOf('POST /models?startup_timeout=N'),
  },
  {
    what: '`POST /models?unknown=U`',
    there: '200',
    here: '400',
    why: 'a setting that is not carried out is not passed over',
    at: statusOf('POST /models?unknown=U'),
  },
  {
    what: '`POST /models?batch_size=x`',
    there: '200, as if it were not there',
    here: '400',
    why: 'what cannot be read is not passed over',
    at: statusOf('POST /models?batch_size=x'),
  },
  {
    what: '`POST /models?batch_size=0`',
    there: '200',
    here: '400',
    why: 'a batch has a row at least',
    at: statusOf('POST /models?batch_size=0'),
  },
  {
    what: '`PUT /models/NAME?min_worker=0`',
    there: 'the model is kept and answers 503',
    here: '400',
    why: '`DELETE` frees the memory as well',
    at: statusOf('PUT /models/NAME?min_worker=0'),
  },
  {
    what: '`PUT /models/NAME?min_worker=-1`',
    there: '500',
    here: '400',
    why: "it is the caller's mistake",
    at: statusOf('PUT /models/NAME?min_worker=-1'),
  },
  {
    what: '`PUT /models/NAME?min_worker=x`',
    there: '202, as if it were not there',
    here: '400',
    why: 'what cannot be read is not passed over',
    at: statusOf('PUT /models/NAME?min_worker=x'),
  },
  {
    what: 'the description: `paths./metrics`',
    there: 'of another port',
    here: 'absent',
    why: '`/metrics` is on the inference port',
    at: fieldsOf('the description', 'paths./metrics'),
  },
];
