import { afterAll, beforeAll, expect, test } from "vitest";
import { describeBus, describeReconnection, type BusDriver } from "../../test/bus-suite.ts";
import { startNatsServer, type NatsServer } from "../../test/nats-server.ts";
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
  const lost = Promise.withResolvers<unknown>();
  const open = await natsChannel(server.url).open({ received() {}, lost: lost.resolve });
  server.freeze();
  const send = async (): Promise<string> => {
    return await open.send(["x"]).then(
      () => "sent",
      () => "refused",
    );
  };
  const sending = send();
  await server.goAway();
  await lost.promise;
  expect(await sending).toBe("refused");
  expect(await send()).toBe("refused");
  await open.close();
  await server.comeBack();
});
