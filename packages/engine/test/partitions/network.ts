import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * A network of its own: places joined by a switch, each a network namespace with one address. Nothing in it reaches, or is
 * reached by, the machine's own network. Packets between two places can be lost, in one direction or both.
 */
export class Network {
  readonly id: string;
  readonly places: readonly string[];

  /** @param id begins the names of the namespaces; `create` makes them, whoever knows the names may use them. */
  constructor(id: string, places: readonly string[]) {
    this.id = id;
    this.places = places;
  }

  /** @throws where this account may not make namespaces, or `ip` or `nft` are not there. */
  async create(): Promise<void> {
    const hub = this.#namespace("hub");
    await run("ip", ["netns", "add", hub]);
    await run("ip", ["-n", hub, "link", "add", "switch", "type", "bridge"]);
    await run("ip", ["-n", hub, "link", "set", "switch", "up"]);
    /* oxlint-disable no-await-in-loop */
    for (const [at, place] of this.places.entries()) {
      const here = this.#namespace(place);
      await run("ip", ["netns", "add", here]);
      const ends = ["veth", "peer", "name", `port${at}`, "netns", hub];
      await run("ip", ["link", "add", "wire", "netns", here, "type", ...ends]);
      await run("ip", ["-n", hub, "link", "set", `port${at}`, "master", "switch", "up"]);
      await run("ip", ["-n", here, "address", "add", `${this.address(place)}/24`, "dev", "wire"]);
      for (const link of ["lo", "wire"]) await run("ip", ["-n", here, "link", "set", link, "up"]);
      await this.#nft(place, "add table inet parley");
      await this.#nft(place, `add chain ${chain} { type filter hook input priority 0; }`);
    }
    /* oxlint-enable no-await-in-loop */
  }

  address(place: string): string {
    return `10.77.0.${10 + this.places.indexOf(place)}`;
  }

  /** What a command begins with to run there. */
  within(place: string): readonly string[] {
    return ["nsenter", `--net=/run/netns/${this.#namespace(place)}`];
  }

  /** From now on what one place sends to the other does not arrive, and nobody says so. */
  async lose(from: string, to: string): Promise<void> {
    await this.#nft(to, `add rule ${chain} ip saddr ${this.address(from)} drop`);
  }

  async heal(): Promise<void> {
    await Promise.all(
      this.places.map(async (place) => await this.#nft(place, `flush chain ${chain}`)),
    );
  }

  /** Ends whatever still runs in it. */
  async remove(): Promise<void> {
    /* oxlint-disable no-await-in-loop */
    for (const place of [...this.places, "hub"]) {
      const { stdout } = await run("ip", ["netns", "pids", this.#namespace(place)]);
      for (const pid of stdout.split("\n").map(Number).filter(Boolean)) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It has ended meanwhile.
        }
      }
      await run("ip", ["netns", "delete", this.#namespace(place)]);
    }
    /* oxlint-enable no-await-in-loop */
  }

  #namespace(place: string): string {
    return `${this.id}-${place}`;
  }

  async #nft(place: string, command: string): Promise<void> {
    const [enter = "", ...args] = this.within(place);
    await run(enter, [...args, "nft", command]);
  }
}

const chain = "inet parley arriving";
