import type { Notifications } from "../bus/notifications.ts";
import type { Database } from "../postgres/database.ts";

const channelName = "parley";

/** LISTEN and NOTIFY on two connections outside the pool. Behind a pooler both need a direct connection. */
export function postgresNotifications(database: Database): Notifications {
  return {
    async open({ received, lost }) {
      const listening = await database.connection("bus.listen");
      try {
        let over = false;
        const loseOnce = (cause: unknown): void => {
          if (!over) lost(cause);
          over = true;
        };
        listening.onLost(loseOnce);
        listening.onNotification((channel, payload) => {
          if (channel === channelName) received(payload);
        });
        await listening.exec(`listen ${channelName}`);
        const notifying = await database.connection("bus.notify");
        notifying.onLost(loseOnce);
        return {
          async notify(payloads) {
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
