/** What this server answers otherwise than Triton, and why: the comparison reads it, and docs/coming-from.md shows it. */

/** A difference that stays. */
export interface KeptDifference {
  /** What differs, in the words of the documentation. */
  readonly what: string;
  readonly triton: string;
  readonly here: string;
  readonly why: string;
  /** Places of the comparison where it shows: `title of the case.path`. */
  readonly at: RegExp;
}

export const DIFFERENCES: readonly KeptDifference[] = [
  {
    what: 'texts of errors',
    triton: 'its own, plain text on some paths',
    here: 'the path of the field, and what was expected there; always JSON',
    why: 'one text says what is wrong, where, and what to do',
    at: /(\.error|\.error_message|\.type)$/,
  },
  {
    what: 'name, version and extensions of the server',
    triton: '`triton`',
    here: '`wherry`; no sequences, shared memory and traces',
    why: 'it is another server',
    at: /server.metadata.*\.(name|version|extensions\.\d+)$/,
  },
  {
    what: 'what runs a model: `platform`, `backend`, `default_model_filename`',
    triton: 'the Python backend in this comparison',
    here: 'ONNX Runtime, or JavaScript',
    why: 'the same models in the form that each takes',
    at: /\.(platform|backend|default_model_filename)$/,
  },
  {
    what: 'bodies of probes, loads and unloads',
    triton: 'empty',
    here: '`{"ready": true}`, `{"name": …, "load": true}` and so on',
    why: "KServe's clients read them; Triton's look at the status",
    at: /^(live|ready|server ready|load|unload).*\.body$/,
  },
  {
    what: 'an unknown model or version in `/ready` and `/stats`',
    triton: '400, INVALID_ARGUMENT',
    here: '404, NOT_FOUND',
    why: 'as on all other paths',
    at: /(ready, unknown|statistics of an unknown).*\.(status|code)$/,
  },
  {
    what: 'a version that is no number',
    triton: 'INVALID_ARGUMENT',
    here: 'a label: NOT_FOUND where there is none of that name',
    why: "TensorFlow Serving's labels work in all protocols",
    at: /gRPC .*no (number|version).*\.(code|ready)$/,
  },
  {
    what: 'a model that was unloaded',
    triton: '404',
    here: '503 with the reason',
    why: 'it may be loaded again; a name that nobody knows is 404',
    at: /after an unload\.status$/,
  },
  {
    what: 'requests and loads that are wrong',
    triton: '500 for many of them',
    here: '400',
    why: "it is the caller's fault, and of no use to try again",
    at: /(id that is a number|inputs missing|input too many|negative shape|too (few|many) elements|(text|fraction|null) for an? (number|integer)|no JSON|no object|unknown encoding|load what is not there|load with .*|load files .*|load_model unknown|set a log file)\.(status|code)$/,
  },
  {
    what: 'numbers beyond their datatype, unknown log settings, errors switched off',
    triton: 'wrapped around or infinite, ignored, done',
    here: '400',
    why: 'no wrong answer without a word; errors are always logged',
    at: /(beyond its type|unknown log setting|switch errors off)\.(status|code)$/,
  },
  {
    what: 'a parameter that is null; FP16 in JSON; more rows than `max_batch_size`',
    triton: '400',
    here: 'not given; read and written; split into several runs',
    why: 'clients send them, and the answer is clear',
    at: /(with null|FP16 in JSON|more rows than max_batch_size|too many rows)\.status$/,
  },
  {
    what: '`classification: 0`',
    triton: 'as if it were not there',
    here: '400',
    why: 'nobody asks for no classes',
    at: /classification of none\.status$/,
  },
  {
    what: 'an unload of a model that nobody knows',
    triton: '200',
    here: '404',
    why: 'a name with a typing error must not pass for an unload',
    at: /unload what is not there\.(status|code)$/,
  },
  {
    what: 'a priority beyond the levels',
    triton: 'the default one',
    here: '400',
    why: 'the caller believes that it is urgent',
    at: /a priority that there is not/,
  },
  {
    what: 'the repository index',
    triton: 'says nothing of a load that was refused, and has no empty `reason`',
    here: '`UNAVAILABLE` with the reason of the last load',
    why: 'who looks later sees why the model is not there',
    at: /index .*\.(reason|version|state)$/,
  },
  {
    what: 'typed contents over gRPC',
    triton: 'answered raw',
    here: 'answered typed',
    why: 'who writes typed contents reads them; the Open Inference Protocol leaves it open',
    at: /\.(contents|raw_output_contents\.\d+)$/,
  },
  {
    what: "an ensemble's answer and statistics",
    triton: 'parameters of sequences, `response_stats`',
    here: 'neither',
    why: 'there are no sequences and no decoupled models here',
    at: /ensemble\.body\.(parameters|model_stats.*response_stats)$/,
  },
  {
    what: 'trace settings, shared memory',
    triton: 'there',
    here: '404, UNIMPLEMENTED',
    why: 'traces go by OpenTelemetry; Node cannot read memory safely while a client writes it',
    at: /(trace.settings|shared.memory).*\.status$/,
  },
];

/** Writes the table of the documentation. */
export function differencesTable(): string {
  const rows = DIFFERENCES.map(
    ({ what, triton, here, why }) => `| ${what} | ${triton} | ${here} | ${why} |`,
  );
  return ['| what | Triton | here | why |', '|---|---|---|---|', ...rows].join('\n');
}
