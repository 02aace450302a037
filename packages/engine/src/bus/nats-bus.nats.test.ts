import { afterAll, beforeAll, expect, test } from "vitest";
import { describeBus, describeReconnection, type BusDriver } from "../../test/bus-suite.ts";
import { startNatsServer, type NatsServer } from "../../test/nats-server.ts";
import { createNetworkProxy } from "../../test/network-proxy.ts";
import { describePresence } from "../../test/presence-suite.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLogger } from "../lib/logger.ts";
import { seededRandom } from "../lib/random.ts";
import { ChannelBus } from "./channel-bus.ts";
import { natsChannel } from "./nats-channel.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(async () => await server.stop());

const driver: BusDriver = {
  bus: (replicaId) =>
    new ChannelBus({
      replicaId,
      channel: natsChannel(server.url),
      clock: systemClock,
      random: seededRandom(replicaId),
      logger: silentLogger,
    }),
};

describeBus(driver);

describePresence(() => natsChannel(server.url));

describeReconnection(driver, async () => await server.restart());

test("what is being sent when the server dies is refused", async () => {
  const wire = await createNetworkProxy(() => Number(new URL(server.url).port));
  const lost = Promise.withResolvers<unknown>();
  const channel = natsChannel(`nats://127.0.0.1:${wire.port}`);
  const open = await channel.open({ received() {}, lost: lost.resolve });
  const send = async (): Promise<string> => {
    return await open.send(["x"]).then(
      () => "sent",
      () => "refused",
    );
  };
  // It does not say any more that it has taken something.
  wire.goSilent();
  const sending = send();
  wire.cut();
  await lost.promise;
  expect(await sending).toBe("refused");
  expect(await send()).toBe("refused");
  await open.close();
  await wire.close();
});
