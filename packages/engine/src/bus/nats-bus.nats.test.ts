import { afterAll, beforeAll } from "vitest";
import { describeBus, describeReconnection, type BusDriver } from "../../test/bus-suite.ts";
import { startNatsServer, type NatsServer } from "../../test/nats-server.ts";
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

describeReconnection(driver, async () => await server.restart());
