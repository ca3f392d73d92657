/**
 * Generates what is derived from config/crd: the API's TypeScript types and the chart's copy of the CRDs.
 * `--check` writes nothing and fails when a generated file is stale.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadAll } from 'js-yaml';

const ROOT = new URL('../../', import.meta.url);
const CRD = new URL('config/crd/', ROOT);
const CHART_CRD = new URL('charts/wherry/crds/', ROOT);

interface Schema {
  type?: string;
  enum?: string[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema;
  'x-kubernetes-int-or-string'?: boolean;
}

/** Fields whose type is Kubernetes' own: their schema is free-form, the API server knows better. */
const KUBERNETES_TYPES: Record<string, string> = {
  affinity: 'IAffinity',
  containers: 'IContainer[]',
  env: 'IEnvVar[]',
  envFrom: 'IEnvFromSource[]',
  ephemeralContainers: 'IEphemeralContainer[]',
  imagePullSecrets: 'ILocalObjectReference[]',
  initContainers: 'IContainer[]',
  lifecycle: 'ILifecycle',
  livenessProbe: 'IProbe',
  ports: 'IContainerPort[]',
  readinessProbe: 'IProbe',
  resources: 'IResourceRequirements',
  startupProbe: 'IProbe',
  tolerations: 'IToleration[]',
  volumeMounts: 'IVolumeMount[]',
  volumes: 'IVolume[]',
};

function typeOf(schema: Schema, indent: string): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `'${value}'`).join(' | ');
  if (schema['x-kubernetes-int-or-string']) return 'number | string';
  switch (schema.type) {
    case 'string':
      return 'string';
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'array': {
      const item = typeOf(schema.items ?? {}, indent);
      return item.includes(' ') && !item.startsWith('{') ? `(${item})[]` : `${item}[]`;
    }
    default:
      return objectType(schema, indent);
  }
}

function objectType(schema: Schema, indent: string): string {
  if (schema.additionalProperties !== undefined) {
    return `Record<string, ${typeOf(schema.additionalProperties, indent)}>`;
  }
  if (schema.properties === undefined) return 'Record<string, unknown>';
  const inner = `${indent}  `;
  const lines = Object.entries(schema.properties).map(([name, property]) => {
    const optional = schema.required?.includes(name) ? '' : '?';
    return `${inner}${name}${optional}: ${KUBERNETES_TYPES[name] ?? typeOf(property, inner)};`;
  });
  return `{\n${lines.join('\n')}\n${indent}}`;
}

interface Crd {
  spec: {
    names: { kind: string };
    versions: { schema: { openAPIV3Schema: Schema & { properties: Record<string, Schema> } } }[];
  };
}

function typesFile(file: string): string {
  const crds = loadAll(readFileSync(new URL(file, CRD), 'utf8')) as Crd[];
  const named = new Map<string, string>();
  const declarations = crds.map(({ spec }) => {
    const schema = spec.versions[0]?.schema.openAPIV3Schema;
    if (schema === undefined) throw new Error(`${file}: no version`);
    const { kind } = spec.names;
    const parts = ['spec', 'status']
      .filter((part) => schema.properties[part] !== undefined)
      .map((part) => {
        const name = `${kind}${part === 'spec' ? 'Spec' : 'Status'}`;
        const type = typeOf(schema.properties[part] ?? {}, '');
        const alias = named.get(type);
        named.set(type, alias ?? name);
        return `export type ${name} = ${alias ?? type};`;
      });
    return parts.join('\n\n');
  });
  const body = declarations.join('\n\n');
  const imports = [...new Set(body.match(/\bI[A-Z]\w+/g) ?? [])].sort().map((name) => {
    return `import type { ${name} } from 'kubernetes-models/v1/${name.slice(1)}';`;
  });
  return [
    `// Generated from config/crd/${file} by scripts/generate.ts.`,
    ...imports,
    '',
    body,
    '',
  ].join('\n');
}

const outputs = new Map<URL, string>();
for (const file of readdirSync(CRD).sort()) {
  outputs.set(new URL(file, CHART_CRD), readFileSync(new URL(file, CRD), 'utf8'));
  const name = file.replace(/^serving\.kserve\.io_(.*)s\.yaml$/, '$1.gen.ts');
  outputs.set(new URL(`operator/src/api/${name}`, ROOT), typesFile(file));
}

const check = process.argv.includes('--check');
mkdirSync(CHART_CRD, { recursive: true });
for (const [url, content] of outputs) {
  const current = (() => {
    try {
      return readFileSync(url, 'utf8');
    } catch {
      return undefined;
    }
  })();
  if (current === content) continue;
  if (check) {
    console.error(`${url.pathname} is stale: run npm run generate`);
    process.exitCode = 1;
  } else {
    writeFileSync(url, content);
    console.log(`wrote ${url.pathname}`);
  }
}
