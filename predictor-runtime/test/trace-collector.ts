/** A collector of OpenTelemetry traces for tests: keeps the spans that servers send. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ExportedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly status: { readonly code: number };
}

export class TraceCollector implements Disposable {
  readonly spans: ExportedSpan[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (req, res) => {
      const { resourceSpans } = JSON.parse(Buffer.concat(await req.toArray()).toString());
      this.spans.push(...resourceSpans[0].scopeSpans[0].spans);
      res.setHeader('content-type', 'application/json').end('{}');
    });
  }

  static async listen(): Promise<TraceCollector> {
    const collector = new TraceCollector();
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  [Symbol.dispose](): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
