/**
 * Credentials that let a download into its store, by reference: the operator reads no Secret. They come from
 * the Secret that KServe's annotation names, or from those of the pod's ServiceAccount; and from the storage
 * spec's key of `storage-config`.
 */
import type { ComponentSpec, ModelSpec } from '../api/inferenceservice.ts';
import type { Container, EnvVar, Observed, ServiceAccount, Volume } from '../api/kube.ts';
import { ANNOTATIONS } from '../api/names.ts';

/** Place of a model, and the variables that its download gets. */
export type ModelSource = Pick<ModelSpec, 'storageUri' | 'storage' | 'env'>;

/** Options of `credentials`. */
export interface CredentialsOptions {
  readonly source: ModelSource;
  readonly annotations: Readonly<Record<string, string>>;
  readonly serviceAccount?: Observed<ServiceAccount>;
}

/** Parts of a pod by which the container that downloads gets its credentials. */
export interface Credentials {
  readonly env: readonly EnvVar[];
  /** Secrets that are taken whole; undefined when none is. */
  readonly envFrom?: Container['envFrom'];
  readonly volumes: readonly Volume[];
  readonly volumeMounts: NonNullable<Container['volumeMounts']>;
}

const AZURE_KEYS = [
  'AZURE_STORAGE_CONNECTION_STRING',
  'AZURE_STORAGE_ACCOUNT',
  'AZURE_STORAGE_ACCESS_KEY',
  'AZURE_STORAGE_SAS_TOKEN',
  'AZ_TENANT_ID',
  'AZ_CLIENT_ID',
  'AZ_CLIENT_SECRET',
  'AZURE_TENANT_ID',
  'AZURE_CLIENT_ID',
  'AZURE_CLIENT_SECRET',
];

/**
 * Keys of a storage Secret that a scheme's download reads as variables of the same names: KServe's, and
 * settings.
 */
const SECRET_KEYS: Readonly<Record<string, readonly string[]>> = {
  s3: [
    'AWS_ACCESS_KEY_ID',
    'AWS_SECRET_ACCESS_KEY',
    'AWS_ENDPOINT_URL',
    'AWS_DEFAULT_REGION',
    'S3_ENDPOINT',
    'S3_USE_HTTPS',
  ],
  az: AZURE_KEYS,
  https: AZURE_KEYS,
  hf: ['HF_TOKEN', 'HF_ENDPOINT'],
};

/** KServe's key of a Google service account's file in a storage Secret, and where it is mounted. */
const GCS_KEY = 'gcloud-application-credentials.json';
const GCS_VOLUME = 'gcs-credentials';
const GCS_DIR = '/var/secrets';

/** KServe's annotations of a ServiceAccount → the variables of the download. */
const S3_ANNOTATIONS: Readonly<Record<string, string>> = {
  'serving.kserve.io/s3-endpoint': 'S3_ENDPOINT',
  'serving.kserve.io/s3-usehttps': 'S3_USE_HTTPS',
  'serving.kserve.io/s3-region': 'AWS_DEFAULT_REGION',
  'serving.kserve.io/s3-usevirtualbucket': 'S3_USER_VIRTUAL_BUCKET',
  'serving.kserve.io/s3-useanoncredential': 'awsAnonymousCredential',
};

/** Returns the name of the ServiceAccount that a component's pods run as. */
export function serviceAccountName({
  serviceAccountName: name,
  serviceAccount,
}: Pick<ComponentSpec, 'serviceAccountName' | 'serviceAccount'>): string {
  // An empty text means "not set".
  return name || serviceAccount || 'default';
}

/** Returns the credentials for a download from `uri`, by its scheme. */
export function credentials(uri: string, options: CredentialsOptions): Credentials {
  const { source, annotations, serviceAccount } = options;
  const scheme = uri.slice(0, uri.indexOf(':'));
  const named = annotations[ANNOTATIONS.storageSecretName];
  const attached = (serviceAccount?.secrets ?? []).flatMap(({ name }) => (name ? [name] : []));
  const secrets = named === undefined ? attached : [named];
  const env = [...ofStorageSpec(source), ...settings(scheme, serviceAccount)];
  const keys = named === undefined ? [] : keysOf(named, scheme);
  // What the user sets in the spec counts.
  const own = new Set((source.env ?? []).map((variable) => variable.name));
  const variables = [...env, ...keys].filter(({ name }) => !own.has(name));
  // Which of several Secrets has which key cannot be told without reading them: they are taken whole.
  const whole = named === undefined && secrets.length > 0;
  const envFrom = secrets.map((name) => ({ secretRef: { name, optional: true } }));
  const needsFile = scheme === 'gs' && secrets.length > 0;
  return {
    env: needsFile
      ? [...variables, { name: 'GOOGLE_APPLICATION_CREDENTIALS', value: `${GCS_DIR}/${GCS_KEY}` }]
      : variables,
    envFrom: whole ? envFrom : undefined,
    volumes: needsFile ? [gcsVolume(secrets)] : [],
    volumeMounts: needsFile ? [{ name: GCS_VOLUME, mountPath: GCS_DIR, readOnly: true }] : [],
  };
}

/** KServe: without a key it is that of the type, or `default`, and the Secret may lack it. */
function ofStorageSpec({ storage }: ModelSource): EnvVar[] {
  if (storage === undefined) return [];
  const { key, parameters = {} } = storage;
  const byDefault = parameters.type === undefined ? 'default' : `default_${parameters.type}`;
  const secretKeyRef = {
    name: 'storage-config',
    key: key ?? byDefault,
    ...(key === undefined ? { optional: true } : {}),
  };
  const config: EnvVar = { name: 'STORAGE_CONFIG', valueFrom: { secretKeyRef } };
  if (Object.keys(parameters).length === 0) return [config];
  return [config, { name: 'STORAGE_OVERRIDE_CONFIG', value: JSON.stringify(parameters) }];
}

function settings(scheme: string, serviceAccount?: Observed<ServiceAccount>): EnvVar[] {
  if (scheme !== 's3') return [];
  const annotations = serviceAccount?.metadata.annotations ?? {};
  return Object.entries(S3_ANNOTATIONS).flatMap(([annotation, name]) => {
    const value = annotations[annotation];
    return value === undefined ? [] : [{ name, value }];
  });
}

function keysOf(secret: string, scheme: string): EnvVar[] {
  return (SECRET_KEYS[scheme] ?? []).map((key) => ({
    name: key,
    valueFrom: { secretKeyRef: { name: secret, key, optional: true } },
  }));
}

/** The key file of whichever Secret has one. */
function gcsVolume(secrets: readonly string[]): Volume {
  const items = [{ key: GCS_KEY, path: GCS_KEY }];
  const sources = secrets.map((name) => ({ secret: { name, items, optional: true } }));
  return { name: GCS_VOLUME, projected: { sources } };
}
