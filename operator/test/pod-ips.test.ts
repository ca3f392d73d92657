/** Where the operator listens, by the addresses of its pod. */
import { expect } from 'chai';
import { hostPort, listenHost, parsePodIPs } from '../src/api/pod-ips.ts';

describe('addresses of the operator’s pod', () => {
  const cases = [
    { podIPs: undefined, listens: '0.0.0.0:18000' },
    { podIPs: '10.1.2.3', listens: '0.0.0.0:18000' },
    { podIPs: 'fd00::5', listens: '[::]:18000' },
    { podIPs: '10.1.2.3,fd00::5', listens: '[::]:18000' },
    { podIPs: 'fd00::5,10.1.2.3', listens: '[::]:18000' },
  ];
  for (const { podIPs, listens } of cases) {
    it(`listens on ${listens} with ${podIPs ?? 'none known'}`, () => {
      expect(hostPort(listenHost(parsePodIPs(podIPs)), 18_000)).to.equal(listens);
    });
  }
});
