/**
 * Reads blobs of Azure Storage: az://CONTAINER/PREFIX and https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX.
 * Credentials have KServe's names: a connection string, AZURE_STORAGE_ACCESS_KEY, a service principal (AZ_* or
 * AZURE_*), or workload identity. Without any, the container must be public.
 */
import type { Readable } from 'node:stream';
import type { ContainerClient, RestError } from '@azure/storage-blob';
import type { Env } from '../platform/environment.ts';
import {
  bucketAndPrefix,
  decodedPath,
  relativePath,
  type Store,
  type StoredFile,
  StoreError,
  type StoreOpener,
  withoutOuterSlashes,
} from './store.ts';

/** Matches hosts of blob endpoints, as KServe tells them, and the account in them. */
export const AZURE_HOST =
  /^([^.]+)\.(blob\.core\.windows\.net|z\d{1,2}\.blob\.storage\.azure\.net)$/;

/** Opens a container of Azure Storage. */
export const openAzure: StoreOpener = async (uri, env): Promise<Store> => {
  const { container, prefix, account, endpoint } = placeOf(uri, env);
  const client = await containerClient(container, { account, endpoint, env });
  return {
    async list() {
      const files: StoredFile[] = [];
      try {
        for await (const { name, properties } of client.listBlobsFlat({ prefix })) {
          const relative = relativePath(name, prefix);
          if (relative === undefined) continue;
          const { contentLength: size, etag: tag, contentMD5: md5 } = properties;
          const checksum =
            md5 === undefined || md5.length === 0
              ? undefined
              : { algorithm: 'md5' as const, digest: Buffer.from(md5).toString('hex') };
          files.push({ path: relative, key: name, size, tag, checksum, ranges: true });
        }
      } catch (error) {
        rethrow(error as RestError);
      }
      return files;
    },
    async read({ key = '', tag }, range) {
      const conditions = tag === undefined ? {} : { conditions: { ifMatch: tag } };
      const count = range && range.end - range.start;
      const answer = await client
        .getBlobClient(key)
        .download(range?.start ?? 0, count, conditions)
        .catch(rethrow);
      return answer.readableStreamBody as Readable;
    },
  };
};

/** Returns what a URI names: az://CONTAINER/PREFIX as it is written, or a URL of a blob endpoint with its escapes. */
function placeOf(uri: string, env: Env) {
  if (!uri.startsWith('https:')) {
    const { bucket: container, prefix } = bucketAndPrefix(uri);
    return { container, prefix, account: env.AZURE_STORAGE_ACCOUNT, endpoint: undefined };
  }
  const url = new URL(uri);
  const path = withoutOuterSlashes(decodedPath(url));
  const [container = ''] = path.split('/');
  const prefix = path.slice(container.length + 1);
  return { container, prefix, account: AZURE_HOST.exec(url.host)?.[1], endpoint: url.origin };
}

/** Passes on an error of the SDK. @throws StoreError always, with the first line of its message. */
function rethrow(error: RestError): never {
  const { statusCode: status, message, code } = error;
  const transient = status === undefined || status >= 500 || status === 429;
  // The first line says what is wrong; the others are the server's ids and times.
  const [text = ''] = message.split('\n');
  throw new StoreError(text || code || 'the store refused', { transient, cause: error });
}

interface AccountOptions {
  readonly account: string | undefined;
  readonly endpoint: string | undefined;
  readonly env: Env;
}

async function containerClient(
  container: string,
  { account, endpoint, env }: AccountOptions,
): Promise<ContainerClient> {
  const { BlobServiceClient, StorageSharedKeyCredential } = await import('@azure/storage-blob');
  const connection = env.AZURE_STORAGE_CONNECTION_STRING;
  if (connection !== undefined) {
    return BlobServiceClient.fromConnectionString(connection).getContainerClient(container);
  }
  if (account === undefined) {
    throw new StoreError('az:// needs AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING');
  }
  const url = endpoint ?? `https://${account}.blob.core.windows.net`;
  const key = env.AZURE_STORAGE_ACCESS_KEY;
  const sas = env.AZURE_STORAGE_SAS_TOKEN;
  if (key !== undefined) {
    const credential = new StorageSharedKeyCredential(account, key);
    return new BlobServiceClient(url, credential).getContainerClient(container);
  }
  if (sas !== undefined) {
    return new BlobServiceClient(`${url}?${sas.replace(/^\?/, '')}`).getContainerClient(container);
  }
  const credential = await identity(env);
  return new BlobServiceClient(url, credential).getContainerClient(container);
}

/** Makes the credentials of a service principal, or of the workload's identity; undefined when there is neither. */
async function identity(env: Env) {
  const tenant = env.AZ_TENANT_ID ?? env.AZURE_TENANT_ID;
  const clientId = env.AZ_CLIENT_ID ?? env.AZURE_CLIENT_ID;
  const secret = env.AZ_CLIENT_SECRET ?? env.AZURE_CLIENT_SECRET;
  const federated = env.AZURE_FEDERATED_TOKEN_FILE;
  if (tenant === undefined || clientId === undefined) return undefined;
  const { ClientSecretCredential, WorkloadIdentityCredential } = await import('@azure/identity');
  if (secret !== undefined) return new ClientSecretCredential(tenant, clientId, secret);
  if (federated === undefined) return undefined;
  return new WorkloadIdentityCredential({ tenantId: tenant, clientId, tokenFilePath: federated });
}
