/** Sources of a pod's model: a volume, the server's own download, or the storage-initializer. */
import type { ModelSpec, ServingRuntimeData } from '../api/inferenceservice.ts';
import type { Container, Observed, PodSpec, ServiceAccount, Volume } from '../api/kube.ts';
import {
  ANNOTATIONS,
  KSERVE_CONTAINER,
  MODEL_DIR,
  MODEL_VOLUME,
  PVC_VOLUME,
  STORAGE_INITIALIZER,
} from '../api/names.ts';
import { credentials, type ModelSource } from './credentials.ts';
import { ok, problem, type Result } from './input.ts';
import { merge, mergeContainer } from './merge.ts';
import { fetchesModel } from './runtime.ts';

/** Schemes that Wherry's runtime and its storage-initializer fetch. */
const FETCHED = ['builtin', 'file', 'http', 'https', 's3', 'gs', 'az', 'hf', 'oci'];

/**
 * Endings of models' files, of Wherry's runtime and other servers. A path on a volume that ends like this is one file,
 * which is mounted under its name: a server knows a model's format by it.
 */
const MODEL_FILE =
  /\/?([^/]+\.(onnx|json|ubj|bst|txt|joblib|pickle|pkl|mjs|pt|pth|pmml|cbm|model|h5|keras|gguf|mar))$/i;

/** URL in an Azure file share, which would pass for that of one file on a web server. */
const AZURE_FILE_SHARE = /^https:\/\/[^/]+\.file\.core\.[^/]+/i;

/** Variable by which a server of the user's own asks for a model, and is told where it lies. KServe. */
const STORAGE_URI = 'STORAGE_URI';

/** Options of `withStorage`. */
export interface StorageOptions {
  readonly source: ModelSource;
  /** Runtime that serves the model; undefined for containers of the user's own. */
  readonly runtime?: ServingRuntimeData;
  readonly annotations: Readonly<Record<string, string>>;
  readonly initializerImage: string;
  readonly serviceAccount?: Observed<ServiceAccount>;
}

/** The URI to serve, or why there is none that can work. */
export function storageUri(source: ModelSource): Result<string | undefined> {
  const { storage } = source;
  const type = storage?.parameters?.type;
  if (source.storageUri === undefined && type !== undefined && type !== '' && type !== 's3') {
    return problem(
      'InvalidPredictorSpec',
      `storage.parameters.type "${type}" is not supported: it is s3 or absent, use storageUri for a model that is elsewhere`,
    );
  }
  const uri = source.storageUri ?? (storage === undefined ? undefined : specUri(storage));
  if (uri === undefined || uri.startsWith('/')) return ok(uri);
  const scheme = /^([a-z0-9+]+):\/\//i.exec(uri)?.[1];
  const known = [...FETCHED, 'pvc'];
  if (scheme === undefined || !known.includes(scheme)) {
    return problem(
      'InvalidPredictorSpec',
      `storageUri "${uri}" is not supported: use an absolute path or one of ${known.map((s) => `${s}://`).join(', ')}`,
    );
  }
  if (AZURE_FILE_SHARE.test(uri)) {
    return problem(
      'InvalidPredictorSpec',
      `storageUri "${uri}" is an Azure file share, which is not supported: mount the share as a volume and use pvc://, or use a blob container`,
    );
  }
  return ok(uri);
}

/** Returns the place of the model that a server of the user's own asks for; undefined when it asks for none. */
export function sourceOfContainer({ env = [] }: Container): Result<ModelSource | undefined> {
  const variable = env.find(({ name }) => name === STORAGE_URI);
  if (variable?.valueFrom !== undefined) {
    return problem(
      'InvalidPredictorSpec',
      `the variable ${STORAGE_URI} is read when the pod is made: set its value instead of valueFrom`,
    );
  }
  const uri = variable?.value;
  if (uri === undefined || uri === '') return ok(undefined);
  return ok({ storageUri: uri, env: env.filter(({ name }) => name !== STORAGE_URI) });
}

/** Tells a server of the user's own that its model lies in the pod. */
export function withLocalUri(pod: PodSpec): PodSpec {
  const env = [{ name: STORAGE_URI, value: MODEL_DIR }];
  return mergeContainer(pod, { name: KSERVE_CONTAINER, env });
}

/**
 * Writes `storage: {path, parameters: {bucket}}` as a URI. KServe: storage spec. A bucket that is not there is in the
 * Secret, which the download reads.
 */
function specUri({ path = '', parameters }: NonNullable<ModelSpec['storage']>): string {
  return `s3://${parameters?.bucket ?? ''}/${path.replace(/^\//, '')}`;
}

/** Puts the model of `uri` into a pod, at /mnt/models. */
export function withStorage(pod: PodSpec, uri: string, options: StorageOptions): PodSpec {
  const readOnly = options.annotations[ANNOTATIONS.storageReadonly]?.toLowerCase() !== 'false';
  if (uri.startsWith('pvc://')) return withClaim(pod, uri, readOnly);
  const { env, envFrom, volumes: secrets, volumeMounts: mounts } = credentials(uri, options);
  // The user may have a place of their own for the download, such as memory.
  const isUsers = pod.volumes?.some(({ name }) => name === MODEL_VOLUME);
  const volumes: Volume[] = isUsers
    ? [...secrets]
    : [{ name: MODEL_VOLUME, emptyDir: {} }, ...secrets];
  if (options.runtime !== undefined && fetchesModel(options.runtime)) {
    return mergeContainer(merge(pod, { volumes }), {
      name: KSERVE_CONTAINER,
      args: [`--storage_uri=${unexpanded(uri)}`],
      env: [...env],
      envFrom,
      volumeMounts: [{ name: MODEL_VOLUME, mountPath: MODEL_DIR }, ...mounts],
    });
  }
  const user = options.annotations[ANNOTATIONS.storageInitializerUid];
  const initializer: Container = {
    name: STORAGE_INITIALIZER,
    image: options.initializerImage,
    command: ['node', '/app/predictor-runtime/dist/storage-initializer.js'],
    args: [unexpanded(uri), MODEL_DIR],
    env: [...env, ...(options.source.env ?? [])],
    envFrom,
    volumeMounts: [{ name: MODEL_VOLUME, mountPath: MODEL_DIR }, ...mounts],
    terminationMessagePolicy: 'FallbackToLogsOnError',
    resources: { requests: { cpu: '100m', memory: '100Mi' }, limits: { memory: '1Gi' } },
    securityContext: {
      ...(user === undefined ? {} : { runAsUser: Number(user) }),
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
  return mergeContainer(merge(pod, { volumes, initContainers: [initializer] }), {
    name: KSERVE_CONTAINER,
    volumeMounts: [{ name: MODEL_VOLUME, mountPath: MODEL_DIR, readOnly }],
  });
}

/** Returns a text that the kubelet makes this one of: in arguments it replaces `$(NAME)` by a variable, and `$$` by `$`. */
function unexpanded(text: string): string {
  return text.replaceAll('$', '$$$$');
}

function withClaim(pod: PodSpec, uri: string, readOnly: boolean): PodSpec {
  const [claimName = '', ...path] = uri.slice('pvc://'.length).split('/');
  const subPath = path.join('/').replace(/\/$/, '');
  const file = MODEL_FILE.exec(subPath)?.[1];
  return mergeContainer(
    merge(pod, {
      volumes: [{ name: PVC_VOLUME, persistentVolumeClaim: { claimName, readOnly } }],
    }),
    {
      name: KSERVE_CONTAINER,
      volumeMounts: [
        {
          name: PVC_VOLUME,
          mountPath: file === undefined ? MODEL_DIR : `${MODEL_DIR}/${file}`,
          readOnly,
          ...(subPath === '' ? {} : { subPath }),
        },
      ],
    },
  );
}
