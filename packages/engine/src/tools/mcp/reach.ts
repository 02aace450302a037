import { BlockList, isIP } from "node:net";

/** Where the internet's IPv4 is not: IANA's special-purpose registry, multicast, and what is reserved. */
const privateIpv4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10", // shared by carriers; one cloud's metadata is in it
  "127.0.0.0/8",
  "169.254.0.0/16", // link-local, and most clouds' metadata
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "168.63.129.16/32", // Azure's own services, on an address that looks public
];

/** The internet's IPv6 is in here, and what of it is not. Mapped and translated IPv4 lies outside. */
const publicIpv6 = "2000::/3";
const privateIpv6 = [
  "2001::/23", // protocol assignments, Teredo among them
  "2001:db8::/32",
  "2002::/16", // 6to4: any IPv4 address may be inside
  "3fff::/20",
];

const blockedIpv4 = listOf(privateIpv4);
const insideIpv6 = listOf([publicIpv6]);
const blockedIpv6 = listOf(privateIpv6);

/** The host is not one that this server lets chats reach. Says no address: what a name stands for inside is nobody's business. */
export class HostRefused extends Error {
  override readonly name = "HostRefused";

  constructor() {
    super("its address is not one that servers of chats may have here");
  }
}

/** Which hosts the servers of chats may be at: the public internet, and what the deployment has opened. */
export class Reach {
  readonly #names = new Set<string>();
  readonly #suffixes: string[] = [];
  readonly #addresses: BlockList;

  /**
   * @param opened host names, `*.` and a domain, IP addresses, or networks as `10.0.0.0/8`.
   * @throws RangeError for what is none of these.
   */
  constructor(opened: readonly string[] = []) {
    const networks: string[] = [];
    for (const entry of opened.map((each) => each.toLowerCase())) {
      if (isIP(bare(entry).split("/")[0] ?? "") !== 0) networks.push(bare(entry));
      else if (!hostPattern.test(entry)) throw new RangeError(`no host and no network: ${entry}`);
      else if (entry.startsWith("*.")) this.#suffixes.push(entry.slice(1));
      else this.#names.add(entry);
    }
    this.#addresses = listOf(networks);
  }

  /** Whether the deployment has opened this name, whatever address it stands for. */
  opens(hostname: string): boolean {
    const host = hostname.toLowerCase().replace(/\.$/, "");
    return this.#names.has(host) || this.#suffixes.some((suffix) => host.endsWith(suffix));
  }

  /** Whether a connection may be made to this IP address. */
  has(address: string): boolean {
    const family = isIP(address);
    if (family === 0) return false;
    const kind = family === 4 ? "ipv4" : "ipv6";
    if (this.#addresses.check(address, kind)) return true;
    if (kind === "ipv4") return !blockedIpv4.check(address, kind);
    return insideIpv6.check(address, kind) && !blockedIpv6.check(address, kind);
  }

  /** What can be told without asking for addresses. @throws HostRefused */
  assertHost(hostname: string): void {
    const host = bare(hostname);
    if (this.opens(host)) return;
    const isLocal = /(?:^|\.)localhost\.?$/i.test(host);
    const address = isLocal ? "127.0.0.1" : host;
    if (isIP(address) !== 0 && !this.has(address)) throw new HostRefused();
  }
}

/** `[::1]` as URLs write it. */
export function bare(hostname: string): string {
  return hostname.replace(/^\[(.*)\](\/\d+)?$/, "$1$2");
}

const hostPattern = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?$/;

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}
