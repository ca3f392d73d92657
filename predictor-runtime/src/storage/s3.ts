/**
 * s3://bucket/prefix: every object under the prefix, or the one object of that key.
 * Credentials and endpoint by KServe's conventions: AWS_* and S3_* variables, or a storage spec in STORAGE_CONFIG.
 */
import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { writeDownload } from './download.ts';
import type { FetchOptions } from './storage.ts';

/** A value of the `storage-config` Secret, KServe's storage spec. */
interface StorageConfig {
  readonly access_key_id?: string;
  readonly secret_access_key?: string;
  readonly endpoint_url?: string;
  readonly region?: string;
  readonly anonymous?: string;
}

type Env = FetchOptions['env'];

export async function downloadS3(uri: URL, { dir, env }: FetchOptions): Promise<string> {
  const { GetObjectCommand, S3Client } = await import('@aws-sdk/client-s3');
  const client = new S3Client(s3Config(env));
  const bucket = uri.host;
  const prefix = decodeURIComponent(uri.pathname).replace(/^\/|\/$/g, '');
  let count = 0;
  try {
    for await (const { key, size } of listObjects(client, bucket, prefix)) {
      const object = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      const path =
        key === prefix ? posix.basename(key) : key.slice(prefix === '' ? 0 : prefix.length + 1);
      await writeDownload(object.Body as Readable, { dir, path, size });
      count++;
    }
  } finally {
    client.destroy();
  }
  if (count === 0) throw new Error('no object has this key or prefix');
  return dir;
}

/** The object named `prefix` and those below `prefix/`; folder markers are left out. */
async function* listObjects(client: S3Client, bucket: string, prefix: string) {
  const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }),
    );
    for (const { Key: key = '', Size: size } of page.Contents ?? []) {
      const within = prefix === '' || key === prefix || key.startsWith(`${prefix}/`);
      if (within && !key.endsWith('/')) yield { key, size };
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
}

/** KServe's variables → the SDK's configuration; what is absent is left to the SDK's own chain. */
export function s3Config(env: Env): S3ClientConfig {
  const spec = JSON.parse(env.STORAGE_CONFIG ?? '{}') as StorageConfig;
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

/** S3_ENDPOINT is host:port with the scheme from S3_USE_HTTPS; AWS_ENDPOINT_URL is a whole URL. */
function endpointOf(env: Env): string | undefined {
  if (env.AWS_ENDPOINT_URL) return env.AWS_ENDPOINT_URL;
  if (!env.S3_ENDPOINT) return undefined;
  return `${env.S3_USE_HTTPS === '0' ? 'http' : 'https'}://${env.S3_ENDPOINT}`;
}
