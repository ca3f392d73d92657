/**
 * Checks an object on the laptop as the API server does before anyone sees it: against the CRD's schema, for
 * unknown fields (as kubectl's strict validation) and by the CRD's CEL rules. Both read config/crd.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from '@marcbachmann/cel-js';
import { Ajv, type ValidateFunction } from 'ajv';
import { load, loadAll } from 'js-yaml';
import type { KubeObject } from '../api/kube.ts';

const ROOT = new URL('../../../', import.meta.url);

/** Returns the checks that a cluster makes where Wherry's chart is installed. */
export function chartAdmission(): Admission {
  return new Admission(
    new URL('config/crd/', ROOT),
    new URL('charts/wherry/files/policy.yaml', ROOT),
  );
}

/** The part of a CRD's structural schema that is read here. */
interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema;
  items?: Schema;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-validations'?: { rule: string; message: string }[];
}

/** Rules about InferenceServices that a CRD cannot hold: those of a ValidatingAdmissionPolicy. */
interface Policy {
  readonly variables: readonly { name: string; expression: string }[];
  readonly validations: readonly { expression: string; messageExpression: string }[];
}

interface Kind {
  /** Versions of the API that the kind is served in, such as `serving.kserve.io/v1beta1`. */
  readonly apiVersions: readonly string[];
  readonly schema: Schema;
  readonly validate: ValidateFunction;
}

/** The checks that objects of the kinds in some CRDs have to pass. */
export class Admission {
  readonly #kinds = new Map<string, Kind>();
  readonly #policy: Policy;

  /**
   * Reads and compiles the schemas.
   * @param crds folder of the CRDs' YAML files, which holds nothing else
   * @param policy file with the rules about InferenceServices that need more than the schema
   */
  constructor(crds: URL, policy: URL) {
    this.#policy = load(readFileSync(policy, 'utf8')) as Policy;
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
    for (const file of readdirSync(crds)) {
      for (const crd of loadAll(readFileSync(new URL(file, crds), 'utf8')) as Crd[]) {
        const { group, versions, names } = crd.spec;
        const schema = versions[0]?.schema.openAPIV3Schema ?? {};
        const apiVersions = versions.map(({ name }) => `${group}/${name}`);
        this.#kinds.set(names.kind, { apiVersions, schema, validate: ajv.compile(schema) });
      }
    }
  }

  /**
   * Returns what is wrong with `object`, each as `path: problem`; an empty list when it would be admitted.
   */
  problems(object: KubeObject): string[] {
    const kind = this.#kinds.get(object.kind);
    if (kind === undefined) {
      const known = [...this.#kinds.keys()].join(', ');
      return [`kind: "${object.kind}" is not served here, expected one of ${known}`];
    }
    if (!kind.apiVersions.includes(object.apiVersion)) {
      const expected = kind.apiVersions.join(' or ');
      return [`apiVersion: "${object.apiVersion}" is not served here, expected ${expected}`];
    }
    if (typeof object.metadata?.name !== 'string') return ['metadata.name: is required'];
    kind.validate(object);
    const found = (kind.validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${dotted(instancePath)}: ${message}${'allowedValues' in params ? ` (${params.allowedValues})` : ''}`,
    );
    walk(kind.schema, object, '', found);
    if (object.kind === 'InferenceService' && found.length === 0) {
      found.push(...violations(this.#policy, object));
    }
    return [...new Set(found)];
  }
}

interface Crd {
  spec: {
    group: string;
    names: { kind: string };
    versions: { name: string; schema: { openAPIV3Schema: Schema } }[];
  };
}

/** Returns the messages of the rules that an object breaks. */
function violations({ variables, validations }: Policy, object: KubeObject): string[] {
  const scope = { object: celValue(object), variables: {} as Record<string, unknown> };
  for (const { name, expression } of variables) {
    scope.variables[name] = parse(expression)(scope);
  }
  return validations
    .filter(({ expression }) => parse(expression)(scope) !== true)
    .map(({ messageExpression }) => String(parse(messageExpression)(scope)));
}

function dotted(pointer: string): string {
  return pointer === '' ? 'object' : pointer.slice(1).replaceAll('/', '.');
}

function walk(schema: Schema, value: unknown, path: string, found: string[]): void {
  for (const { rule, message } of schema['x-kubernetes-validations'] ?? []) {
    if (!holds(rule, value)) found.push(`${path || 'object'}: ${message}`);
  }
  if (Array.isArray(value)) {
    value.forEach((item, i) => {
      walk(schema.items ?? {}, item, `${path}[${i}]`, found);
    });
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, field] of Object.entries(value)) {
      const below = path === '' ? key : `${path}.${key}`;
      const property = schema.properties?.[key] ?? schema.additionalProperties;
      if (property !== undefined) walk(property, field, below, found);
      else if (isClosed(schema, path)) found.push(`${below}: unknown field`);
    }
  }
}

function isClosed(schema: Schema, path: string): boolean {
  return (
    schema.properties !== undefined &&
    schema['x-kubernetes-preserve-unknown-fields'] !== true &&
    path !== 'metadata'
  );
}

function holds(rule: string, value: unknown): boolean {
  try {
    return parse(rule)({ self: celValue(value) }) === true;
  } catch {
    // A rule that meets a value of the wrong type has been told by the schema already.
    return true;
  }
}

/** Turns whole numbers into bigints, as which the CEL parser takes integers: JSON has one kind of number. */
function celValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(celValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, celValue(field)]));
}
