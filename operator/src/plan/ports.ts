/**
 * Ports of a runtime's server that the user has moved: a port of the user's with the name of one of the runtime's is
 * that port with another number, and everything in the runtime's container that names the number follows.
 */
import type { Container } from '../api/kube.ts';

type Ports = NonNullable<Container['ports']>;

/** Arguments by which the known servers are told a port, such as `--http_port=8080`. */
const PORT_ARGUMENT = /^(--?[\w-]*port[= ])(\d+)$/;
const PORT_VARIABLE = /PORT$/;
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;

/** Returns a runtime's container whose ports have the numbers that the user's ports of their names have. */
export function withMovedPorts(container: Container, ofUser: Ports | undefined): Container {
  const moves = movesOf(container.ports ?? [], ofUser ?? []);
  if (moves.size === 0) return container;
  const moved = (port: number) => moves.get(port) ?? port;
  const probes = PROBES.flatMap((name) => {
    const probe = container[name];
    return probe === undefined ? [] : [[name, movedProbe(probe, moved)]];
  });
  return {
    ...container,
    ...Object.fromEntries(probes),
    ports: container.ports?.map((port) => ({
      ...port,
      containerPort: moved(port.containerPort),
    })),
    args: container.args?.map((argument) =>
      argument.replace(PORT_ARGUMENT, (_, flag: string, port) => `${flag}${moved(Number(port))}`),
    ),
    env: container.env?.map((variable) =>
      PORT_VARIABLE.test(variable.name) && variable.value !== undefined
        ? { ...variable, value: String(moves.get(Number(variable.value)) ?? variable.value) }
        : variable,
    ),
  };
}

/** Returns the new numbers of the runtime's ports, by the old ones. */
function movesOf(ofRuntime: Ports, ofUser: Ports): Map<number, number> {
  const moves = ofRuntime.flatMap(({ name, containerPort }): [number, number][] => {
    const wanted = ofUser.find((port) => name !== undefined && port.name === name)?.containerPort;
    return wanted === undefined || wanted === containerPort ? [] : [[containerPort, wanted]];
  });
  return new Map(moves);
}

type Probe = NonNullable<Container['livenessProbe']>;

function movedProbe(probe: Probe, moved: (port: number) => number): Probe {
  const { httpGet, tcpSocket, grpc } = probe;
  const port = (value: string | number) => (typeof value === 'number' ? moved(value) : value);
  return {
    ...probe,
    ...(httpGet && { httpGet: { ...httpGet, port: port(httpGet.port) } }),
    ...(tcpSocket && { tcpSocket: { ...tcpSocket, port: port(tcpSocket.port) } }),
    ...(grpc && { grpc: { ...grpc, port: moved(grpc.port) } }),
  };
}
