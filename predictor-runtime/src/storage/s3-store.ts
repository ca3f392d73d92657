/**
 * Reads objects of S3: all below a prefix, or the one of that key (s3://BUCKET/PREFIX). Credentials and endpoint follow
 * KServe's conventions: AWS_* and S3_* variables, or a storage spec in STORAGE_CONFIG.
 */
import type { Readable } from 'node:stream';
import type { S3ClientConfig, S3ServiceException } from '@aws-sdk/client-s3';
import type { Env } from '../platform/environment.ts';
import {
  bucketAndPrefix,
  relativePath,
  type Store,
  type StoredFile,
  StoreError,
  type StoreOpener,
} from './store.ts';

/** KServe's storage spec: a value of its Secret `storage-config`. */
interface StorageConfig {
  readonly access_key_id?: string;
  readonly secret_access_key?: string;
  readonly endpoint_url?: string;
  readonly region?: string;
  /** Bucket of a URI that names none. */
  readonly bucket?: string;
  readonly anonymous?: string;
}

/** Opens a bucket. */
export const openS3: StoreOpener = async (uri, env): Promise<Store> => {
  const { GetObjectCommand, ListObjectsV2Command, S3Client } = await import('@aws-sdk/client-s3');
  const client = new S3Client(s3Config(env));
  const { bucket: named, prefix } = bucketAndPrefix(uri);
  const bucket = named || storageConfig(env).bucket;
  if (!bucket) throw new StoreError('no bucket: storage.parameters or the storage Secret names it');
  return {
    async list() {
      const files: StoredFile[] = [];
      let token: string | undefined;
      do {
        const page = await client
          .send(
            new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }),
          )
          .catch(rethrow);
        for (const { Key: key = '', Size: size, ETag: tag } of page.Contents ?? []) {
          const path = relativePath(key, prefix);
          if (path !== undefined) files.push({ path, key, size, tag, ranges: true });
        }
        token = page.NextContinuationToken;
      } while (token !== undefined);
      return files;
    },
    async read({ key, tag }, range) {
      const object = await client
        .send(
          new GetObjectCommand({
            Bucket: bucket,
            Key: key,
            IfMatch: tag,
            Range: range && `bytes=${range.start}-${range.end - 1}`,
          }),
        )
        .catch(rethrow);
      return object.Body as Readable;
    },
    close: () => client.destroy(),
  };
};

/** Passes on an error of the SDK, which has tried again already. @throws StoreError always, with the SDK's message. */
function rethrow(error: S3ServiceException): never {
  const status = error.$metadata?.httpStatusCode;
  const transient = status === undefined || status >= 500 || status === 429;
  throw new StoreError(error.message || error.name, { transient, cause: error });
}

/**
 * Makes the SDK's configuration of KServe's variables. Credentials that they do not have are left to the SDK's own
 * chain.
 */
export function s3Config(env: Env): S3ClientConfig {
  const spec = storageConfig(env);
  const endpoint = spec.endpoint_url ?? endpointOf(env);
  const anonymous = spec.anonymous ?? env.awsAnonymousCredential;
  const keys =
    spec.access_key_id !== undefined && spec.secret_access_key !== undefined
      ? { accessKeyId: spec.access_key_id, secretAccessKey: spec.secret_access_key }
      : undefined;
  return {
    region: spec.region || env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1',
    // Stores other than AWS rarely have a DNS name per bucket, nor AWS's newer checksums.
    ...(endpoint === undefined
      ? {}
      : { endpoint, forcePathStyle: env.S3_USER_VIRTUAL_BUCKET !== '1' }),
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(keys === undefined ? {} : { credentials: keys }),
    ...(/^(1|true)$/i.test(anonymous ?? '')
      ? { signer: { sign: async (request) => request } }
      : {}),
  };
}

/** Reads the storage spec: what the service sets counts more than what the Secret has. */
function storageConfig(env: Env): StorageConfig {
  const [ofSecret, ofService] = [env.STORAGE_CONFIG, env.STORAGE_OVERRIDE_CONFIG].map(
    (text) => JSON.parse(text ?? '{}') as StorageConfig,
  );
  return { ...ofSecret, ...ofService };
}

/**
 * Returns the endpoint: AWS_ENDPOINT_URL, or S3_ENDPOINT, which is host:port and takes its scheme from S3_USE_HTTPS.
 */
function endpointOf(env: Env): string | undefined {
  if (env.AWS_ENDPOINT_URL) return env.AWS_ENDPOINT_URL;
  if (!env.S3_ENDPOINT) return undefined;
  return `${env.S3_USE_HTTPS === '0' ? 'http' : 'https'}://${env.S3_ENDPOINT}`;
}
