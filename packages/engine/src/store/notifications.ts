import type { HintChannel } from "../bus/channel.ts";
import type { Database } from "../postgres/database.ts";

const channelName = "parley";

/** PostgreSQL refuses payloads of 8,000 bytes and more. */
const payloadBytesMax = 7_900;

/**
 * LISTEN and NOTIFY on two connections outside the pool; behind a pooler both need a direct connection. What notifies
 * writes nothing else, so that it waits for no flush and holds no lock over one.
 */
export function postgresNotifications(database: Database): HintChannel {
  return {
    payloadBytesMax,
    async open(handlers) {
      const listening = await database.connection("bus.listen");
      try {
        let over = false;
        const loseOnce = (cause: unknown): void => {
          if (!over) handlers.lost(cause);
          over = true;
        };
        listening.onLost(loseOnce);
        listening.onNotification((channel, payload) => {
          if (channel === channelName) handlers.received(payload);
        });
        await listening.exec(`listen ${channelName}`);
        const notifying = await database.connection("bus.notify");
        notifying.onLost(loseOnce);
        return {
          async send(payloads) {
            await notifying.query({
              name: "bus.notify",
              text: `select pg_notify('${channelName}', payload) from unnest($1::text[]) as p (payload)`,
              values: [payloads],
            });
          },
          async close() {
            over = true;
            await Promise.all([listening.close(), notifying.close()]);
          },
        };
      } catch (error) {
        await listening.close();
        throw error;
      }
    },
  };
}
