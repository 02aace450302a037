import { describe, expect, it } from "vitest";
import { testSecret } from "../../../test/relay-network.ts";
import { seededRandom } from "../../lib/random.ts";
import { PeerSecret } from "./credentials.ts";

const random = seededRandom("credentials");
const other = "another secret, as long as the real one";

describe("the secret of replicas", () => {
  it("lets in who has it, for the worker that is meant", () => {
    const credential = new PeerSecret(testSecret).newCredential("worker", random);
    const header = new PeerSecret(testSecret).headerOf(credential);
    expect(new PeerSecret(testSecret).check(header)).toEqual(credential);
    expect(header).not.toContain(testSecret);
  });

  it("lets nobody else in", () => {
    const secret = new PeerSecret(testSecret);
    const credential = secret.newCredential("worker", random);
    const header = secret.headerOf(credential);
    expect(secret.check(new PeerSecret(other).headerOf(credential))).toBeNull();
    expect(secret.check(header.replace("worker", "rekrow"))).toBeNull();
    expect(secret.check(header.slice(0, -1))).toBeNull();
    expect(secret.check(`${header}x`)).toBeNull();
    expect(secret.check(header.toLowerCase())).toBeNull();
    for (const odd of [undefined, "", "Bearer x", "Parley-Relay ..", testSecret]) {
      expect(secret.check(odd)).toBeNull();
    }
    expect(secret.check(header)).not.toBeNull();
  });

  it("is not let in twice by what was heard on the wire", () => {
    const secret = new PeerSecret(testSecret);
    const header = secret.headerOf(secret.newCredential("worker", random));
    expect(secret.check(header)).not.toBeNull();
    expect(secret.check(header)).toBeNull();
  });

  it("proves the side that was dialled as well, for this dial only", () => {
    const secret = new PeerSecret(testSecret);
    const credential = secret.newCredential("worker", random);
    const proof = new PeerSecret(testSecret).proofOf(credential);
    expect(secret.isProof(proof, credential)).toBe(true);
    expect(secret.isProof(undefined, credential)).toBe(false);
    expect(secret.isProof(new PeerSecret(other).proofOf(credential), credential)).toBe(false);
    expect(secret.isProof(proof, secret.newCredential("worker", random))).toBe(false);
    // What the dial itself carried is no proof: it could be sent back.
    const sent = secret.headerOf(credential).split(".")[2];
    expect(secret.isProof(sent, credential)).toBe(false);
  });

  it("is long enough", () => {
    expect(() => new PeerSecret("too short")).toThrow(/at least 32 bytes/);
  });
});
