/** The addresses that the server listens on, of both families and for both transports. */
import { credentials } from '@grpc/grpc-js';
import { expect } from 'chai';
import { parseConfig } from '../src/server/config.ts';
import { openGrpc } from './grpc-client.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { withServer } from './server.ts';

describe('addresses', () => {
  for (const [flag, reachedAt] of [
    ['::', '[::1]'],
    ['::', '127.0.0.1'],
    ['::1', '[::1]'],
    ['[::1]', '[::1]'],
    ['0.0.0.0', '127.0.0.1'],
    ['localhost', 'localhost'],
  ] as const) {
    it(`--host ${flag} is reached at ${reachedAt}, by REST and by gRPC`, async () => {
      using folder = new RepositoryFolder({ add: { model: 'add_two' } });
      const { host } = parseConfig(['--model_name=x', `--host=${flag}`]);
      const config = { modelRepository: [folder.dir], host, grpcPort: 0 };
      await withServer(config, async (_, { httpPort, grpcPort }) => {
        expect((await fetch(`http://${reachedAt}:${httpPort}/v2/health/ready`)).status).to.equal(
          200,
        );
        using grpc = openGrpc(grpcPort, credentials.createInsecure(), reachedAt);
        expect(await grpc.call('ServerReady', {})).to.deep.equal({ ready: true });
      });
    });
  }
});
