import { connect, type ConnectionOptions, type NatsConnection } from "@nats-io/transport-node";
import type { HintChannel } from "./channel.ts";

const subject = "parley.hints";

/** Far below what a NATS server takes (1 MiB by default), and enough for hundreds of hints. */
const payloadBytesMax = 64 * 1024;

const connectMs = 5_000;

/** A connection that has said nothing for two of these is dead. */
const pingMs = 10_000;

/** Core NATS: no persistence, which is all that hints want. `url` may name several servers, by commas. */
export function natsChannel(url: string): HintChannel {
  return {
    payloadBytesMax,
    async open(handlers) {
      const connection = await connect({
        ...serversOf(url),
        name: "parley",
        // The bus reconnects itself, because after every connection somebody has to look at the database.
        reconnect: false,
        noEcho: true,
        timeout: connectMs,
        pingInterval: pingMs,
      });
      let over = false;
      /** Those who wait for the server to have taken what they sent. */
      const sending = new Set<(cause: Error) => void>();
      connection.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) handlers.received(message.string());
        },
      });
      // The server knows of the subscription before anybody looks at the database: nothing falls between the two.
      await connection.flush();
      void connection.closed().then((reason) => {
        const cause = reason ?? new Error("the NATS connection was closed");
        for (const refuse of sending) refuse(cause);
        if (!over) handlers.lost(cause);
      });
      return {
        async send(payloads) {
          for (const payload of payloads) connection.publish(subject, payload);
          // The client never answers a flush whose connection closes meanwhile.
          const taken = Promise.withResolvers<void>();
          sending.add(taken.reject);
          connection.flush().then(taken.resolve, taken.reject);
          try {
            await taken.promise;
          } finally {
            sending.delete(taken.reject);
          }
        },
        async close() {
          over = true;
          await closed(connection);
        },
      };
    },
  };
}

/** The client takes addresses and credentials apart from each other; people write them as one. */
function serversOf(text: string): Pick<ConnectionOptions, "servers" | "user" | "pass" | "token"> {
  const urls = text.split(",").map((each) => new URL(each));
  const { username, password } = urls[0] ?? {};
  const servers = urls.map(({ protocol, host }) => `${protocol}//${host}`);
  if (!username) return { servers };
  const user = decodeURIComponent(username);
  return password
    ? { servers, user, pass: decodeURIComponent(password) }
    : { servers, token: user };
}

async function closed(connection: NatsConnection): Promise<void> {
  if (!connection.isClosed()) await connection.close();
}
