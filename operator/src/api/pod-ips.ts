/** IP addresses: those of the operator's own pod tell the IP families of the cluster. */
import { isIPv6 } from 'node:net';

/** Reads a pod's addresses as the downward API writes `status.podIPs`: separated by commas, the primary one first. */
export function parsePodIPs(text = ''): string[] {
  return text.split(',').filter((address) => address !== '');
}

/**
 * Returns the address to listen on: `::`, which takes IPv4 connections as well, where a pod has an IPv6
 * address, and `0.0.0.0` elsewhere, because a node may have IPv6 turned off.
 */
export function listenHost(podIPs: readonly string[]): '::' | '0.0.0.0' {
  return podIPs.some((address) => isIPv6(address)) ? '::' : '0.0.0.0';
}

/** Returns host and port as one text, an IPv6 address in brackets. Source: RFC 3986, section 3.2.2. */
export function hostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Returns the IP families of addresses, each once; IPv4 alone when there is no address. */
export function addressFamilies(addresses: readonly string[]): ('IPv4' | 'IPv6')[] {
  const families = new Set(addresses.map((address) => (isIPv6(address) ? 'IPv6' : 'IPv4')));
  return families.size === 0 ? ['IPv4'] : [...families].sort();
}
