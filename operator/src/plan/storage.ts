/** Where a pod gets its model from: a volume, the server's own download, or the storage-initializer. */
import type { ModelSpec, ServingRuntimeData } from '../api/inferenceservice.ts';
import type { Container, EnvVar, PodSpec, Volume } from '../api/kube.ts';
import {
  ANNOTATIONS,
  KSERVE_CONTAINER,
  MODEL_DIR,
  MODEL_VOLUME,
  PVC_VOLUME,
  STORAGE_INITIALIZER,
} from '../api/names.ts';
import { ok, problem, type Result } from './input.ts';
import { merge, mergeContainer } from './merge.ts';

/** Schemes that Wherry's runtime and its storage-initializer fetch. */
const FETCHED = ['builtin', 'file', 'http', 'https', 's3', 'gs', 'az', 'hf', 'oci'];

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

/** Keys of a storage Secret that a scheme's download reads as variables of the same names: KServe's, and settings. */
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

export interface StorageOptions {
  readonly model: ModelSpec;
  /** Undefined for containers of the user's own. */
  readonly runtime?: ServingRuntimeData;
  readonly annotations: Readonly<Record<string, string>>;
  readonly initializerImage: string;
}

/** The URI to serve, or why there is none that can work. */
export function storageUri(model: ModelSpec): Result<string | undefined> {
  const { storage } = model;
  const uri = model.storageUri ?? (storage === undefined ? undefined : specUri(storage));
  if (uri === undefined || uri.startsWith('/')) return ok(uri);
  const scheme = /^([a-z0-9+]+):\/\//i.exec(uri)?.[1];
  const known = [...FETCHED, 'pvc'];
  if (scheme === undefined || !known.includes(scheme)) {
    return problem(
      'InvalidPredictorSpec',
      `storageUri "${uri}" is not supported: use an absolute path or one of ${known.map((s) => `${s}://`).join(', ')}`,
    );
  }
  return ok(uri);
}

/** `storage: {path, parameters: {type, bucket}}` as a URI. KServe: storage spec. */
function specUri({ path = '', parameters }: NonNullable<ModelSpec['storage']>): string {
  const type = parameters?.type ?? 's3';
  const trimmed = path.replace(/^\//, '');
  return type === 's3' ? `s3://${parameters?.bucket ?? ''}/${trimmed}` : `${type}://${trimmed}`;
}

/** `pod` with the model of `uri` at /mnt/models. */
export function withStorage(pod: PodSpec, uri: string, options: StorageOptions): PodSpec {
  const readOnly = options.annotations[ANNOTATIONS.storageReadonly] !== 'false';
  if (uri.startsWith('pvc://')) return withClaim(pod, uri, readOnly);
  const { env, volumes: secrets, volumeMounts: secretMounts } = credentials(uri, options);
  const volumes: Volume[] = [{ name: MODEL_VOLUME, emptyDir: {} }, ...secrets];
  if (options.runtime?.metadata.annotations?.[ANNOTATIONS.fetchesModel] === 'true') {
    return mergeContainer(merge(pod, { volumes }), {
      name: KSERVE_CONTAINER,
      args: [`--storage_uri=${uri}`],
      env: [...env],
      volumeMounts: [{ name: MODEL_VOLUME, mountPath: MODEL_DIR }, ...secretMounts],
    });
  }
  const initializer: Container = {
    name: STORAGE_INITIALIZER,
    image: options.initializerImage,
    command: ['node', '/app/predictor-runtime/dist/storage-initializer.js'],
    args: [uri, MODEL_DIR],
    env: [...env, ...(options.model.env ?? [])],
    volumeMounts: [{ name: MODEL_VOLUME, mountPath: MODEL_DIR }, ...secretMounts],
    terminationMessagePolicy: 'FallbackToLogsOnError',
    resources: { requests: { cpu: '100m', memory: '100Mi' }, limits: { memory: '1Gi' } },
    securityContext: {
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    },
  };
  return mergeContainer(merge(pod, { volumes, initContainers: [initializer] }), {
    name: KSERVE_CONTAINER,
    volumeMounts: [{ name: MODEL_VOLUME, mountPath: MODEL_DIR, readOnly }],
  });
}

function withClaim(pod: PodSpec, uri: string, readOnly: boolean): PodSpec {
  const [claimName = '', ...path] = uri.slice('pvc://'.length).split('/');
  const subPath = path.join('/').replace(/\/$/, '');
  return mergeContainer(
    merge(pod, {
      volumes: [{ name: PVC_VOLUME, persistentVolumeClaim: { claimName, readOnly } }],
    }),
    {
      name: KSERVE_CONTAINER,
      volumeMounts: [
        {
          name: PVC_VOLUME,
          mountPath: MODEL_DIR,
          readOnly,
          ...(subPath === '' ? {} : { subPath }),
        },
      ],
    },
  );
}

/** What a container needs to be let into a store. */
interface Credentials {
  readonly env: readonly EnvVar[];
  readonly volumes: readonly Volume[];
  readonly volumeMounts: NonNullable<Container['volumeMounts']>;
}

/**
 * Credentials by reference, so that the operator needs no right to read a Secret: the one named by KServe's annotation,
 * and the storage spec's key of `storage-config`.
 */
function credentials(uri: string, { model, annotations }: StorageOptions): Credentials {
  const name = annotations[ANNOTATIONS.storageSecretName];
  const scheme = uri.slice(0, uri.indexOf(':'));
  const env: EnvVar[] = [];
  if (model.storage?.key !== undefined) {
    const secretKeyRef = { name: 'storage-config', key: model.storage.key };
    env.push({ name: 'STORAGE_CONFIG', valueFrom: { secretKeyRef } });
  }
  if (name === undefined) return { env, volumes: [], volumeMounts: [] };
  // What the user sets in the spec counts.
  const own = new Set((model.env ?? []).map((variable) => variable.name));
  for (const key of (SECRET_KEYS[scheme] ?? []).filter((key) => !own.has(key))) {
    env.push({ name: key, valueFrom: { secretKeyRef: { name, key, optional: true } } });
  }
  if (scheme !== 'gs') return { env, volumes: [], volumeMounts: [] };
  const secret = { secretName: name, items: [{ key: GCS_KEY, path: GCS_KEY }], optional: true };
  return {
    env: [...env, { name: 'GOOGLE_APPLICATION_CREDENTIALS', value: `${GCS_DIR}/${GCS_KEY}` }],
    volumes: [{ name: GCS_VOLUME, secret }],
    volumeMounts: [{ name: GCS_VOLUME, mountPath: GCS_DIR, readOnly: true }],
  };
}
