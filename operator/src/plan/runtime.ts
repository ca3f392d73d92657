/**
 * The choice of the ServingRuntime that serves a model. KServe: utils.go GetSupportingRuntimes,
 * predictor_model.go; unlike there, an absent protocolVersion means any, and the choice is pinned with the
 * revision.
 */
import type { ModelSpec, ServingRuntimeData } from '../api/inferenceservice.ts';
import { ANNOTATIONS } from '../api/names.ts';
import { ok, type PlanInput, problem, type Result } from './input.ts';

/** Flags of KServe's own servers that a server which fetches its model, as Wherry's, does not know. */
const KSERVE_FLAGS =
  /^--(access_log_format|configure_logging|enable_docs_url|enable_grpc|enable_latency_logging|grpc_max_(receive|send)_message_length|log_config_file|max_asyncio_workers|max_threads|nthread)(=|$)/;

/** Variables that only MLServer reads. */
const MLSERVER_VARIABLE = /^MLSERVER_/;

/** Fields of a model by which its server may get one: from a store, from an image or volume of the user's own. */
const SOURCES = ['storageUri', 'storage', 'image', 'command', 'args', 'volumeMounts'] as const;

const PROTOCOL_RANK = ['v1', 'v2', 'grpc-v1', 'grpc-v2'];

/** The runtime that `model` names, or the best of those that can be selected by themselves. */
export function selectRuntime(
  model: ModelSpec,
  related: Pick<PlanInput['related'], 'runtimes' | 'clusterRuntimes'>,
): Result<ServingRuntimeData> {
  const chosen = chosenRuntime(model, related);
  const message = chosen.ok ? mismatch(chosen.value, model) : undefined;
  return message === undefined ? chosen : problem('InvalidPredictorSpec', message);
}

/** Returns what a server that fetches its model would pass over in silence, or lacks; undefined when nothing is. */
function mismatch(runtime: ServingRuntimeData, model: ModelSpec): string | undefined {
  if (!fetchesModel(runtime)) return undefined;
  const { name } = runtime.metadata;
  const variable = model.env?.find((one) => MLSERVER_VARIABLE.test(one.name));
  if (variable !== undefined) {
    return `the variable ${variable.name} is MLServer's and has no effect on runtime "${name}": remove it, or name a runtime of MLServer such as "runtime: kserve-mlserver"; processes are set by --workers in args`;
  }
  if (SOURCES.every((field) => model[field] === undefined)) {
    return `no model for runtime "${name}": set storageUri or storage.path; a server without a model, for TrainedModels, is not supported`;
  }
  return undefined;
}

function chosenRuntime(
  model: ModelSpec,
  related: Pick<PlanInput['related'], 'runtimes' | 'clusterRuntimes'>,
): Result<ServingRuntimeData> {
  if (model.runtime !== undefined) return namedRuntime(model, model.runtime, related);
  for (const scope of [related.runtimes, related.clusterRuntimes]) {
    const [best] = scope
      .filter((runtime) => rejection(runtime, model, { auto: true }) === undefined)
      .sort((a, b) => compare(a, b, formatName(model)));
    if (best !== undefined) return ok(best);
  }
  if (isForAnotherServer(model)) {
    const { image, runtimeVersion, args, ...rest } = model;
    const own = chosenRuntime(rest, related);
    if (own.ok) return problem('NoSupportingRuntime', otherServerMessage(own.value));
  }
  return problem('NoSupportingRuntime', noneMessage(model, related));
}

function namedRuntime(
  model: ModelSpec,
  name: string,
  related: Pick<PlanInput['related'], 'runtimes' | 'clusterRuntimes'>,
): Result<ServingRuntimeData> {
  const runtime = [...related.runtimes, ...related.clusterRuntimes].find(
    ({ metadata }) => metadata.name === name,
  );
  if (runtime === undefined) {
    return problem(
      'RuntimeNotRecognized',
      `no ServingRuntime or ClusterServingRuntime is named "${name}"`,
    );
  }
  if (runtime.spec.disabled) return problem('RuntimeDisabled', `runtime "${name}" is disabled`);
  const reason = rejection(runtime, model, { auto: false });
  return reason === undefined ? ok(runtime) : problem('NoSupportingRuntime', reason);
}

/** Returns why a runtime cannot serve a model; undefined when it can. */
function rejection(
  runtime: ServingRuntimeData,
  model: ModelSpec,
  { auto }: { auto: boolean },
): string | undefined {
  const { name } = runtime.metadata;
  const { spec } = runtime;
  if (spec.disabled) return `${name} is disabled`;
  if (spec.multiModel || spec.workerSpec !== undefined) return `${name} is not for single pods`;
  if (auto && fetchesModel(runtime) && isForAnotherServer(model))
    return `${name} is another server than the one that image, runtimeVersion or args are for`;
  const wanted = model.modelFormat?.version;
  const format = (spec.supportedModelFormats ?? []).some(
    (f) =>
      f.name === formatName(model) &&
      (!auto || f.autoSelect === true) &&
      (wanted === undefined || f.version === wanted),
  );
  if (!format) return `${name} does not support model format ${describeFormat(model)}`;
  const protocol = model.protocolVersion;
  const protocols = spec.protocolVersions ?? [];
  if (protocol !== undefined && protocols.length > 0 && !protocols.includes(protocol)) {
    return `${name} does not speak protocol ${protocol}`;
  }
  return undefined;
}

/** Says whether a runtime's server is Wherry's own, which takes its flags: that it fetches its model is one of them. */
export function fetchesModel({ metadata }: ServingRuntimeData): boolean {
  return metadata.annotations?.[ANNOTATIONS.fetchesModel] === 'true';
}

/** Says whether a model's container has settings that a server of KServe's is meant by. */
function isForAnotherServer({ image, runtimeVersion, args = [] }: ModelSpec): boolean {
  return (
    image !== undefined ||
    runtimeVersion !== undefined ||
    args.some((argument) => KSERVE_FLAGS.test(argument))
  );
}

function formatName(model: ModelSpec): string {
  return model.modelFormat?.name ?? '';
}

function describeFormat(model: ModelSpec): string {
  const version = model.modelFormat?.version;
  return `"${formatName(model)}"${version === undefined ? '' : ` version "${version}"`}`;
}

/** Orders runtimes: the higher priority first, then the lower protocol, the newer runtime, the name. */
function compare(a: ServingRuntimeData, b: ServingRuntimeData, format: string): number {
  const priority = (runtime: ServingRuntimeData) =>
    runtime.spec.supportedModelFormats?.find(({ name }) => name === format)?.priority ?? 0;
  const rank = (runtime: ServingRuntimeData) =>
    Math.min(...(runtime.spec.protocolVersions ?? []).map((p) => PROTOCOL_RANK.indexOf(p)));
  const created = (runtime: ServingRuntimeData) => runtime.metadata.creationTimestamp ?? '';
  const byRank = rank(a) - rank(b);
  return (
    priority(b) - priority(a) ||
    (Number.isNaN(byRank) ? 0 : byRank) ||
    created(b).localeCompare(created(a)) ||
    a.metadata.name.localeCompare(b.metadata.name)
  );
}

function otherServerMessage({ metadata: { name } }: ServingRuntimeData): string {
  return `image, runtimeVersion or args are for another server than that of runtime "${name}", the only one for this model: remove them, or set "runtime: ${name}" to have them used with it`;
}

function noneMessage(
  model: ModelSpec,
  related: Pick<PlanInput['related'], 'runtimes' | 'clusterRuntimes'>,
): string {
  const formats = new Set<string>();
  for (const { spec } of [...related.runtimes, ...related.clusterRuntimes]) {
    if (spec.disabled) continue;
    for (const { name, autoSelect } of spec.supportedModelFormats ?? []) {
      if (autoSelect) formats.add(name);
    }
  }
  const available =
    formats.size === 0 ? 'no runtime is installed' : `known: ${[...formats].sort().join(', ')}`;
  const protocol =
    model.protocolVersion === undefined ? '' : ` over protocol ${model.protocolVersion}`;
  return `no runtime supports model format ${describeFormat(model)}${protocol} (${available})`;
}
