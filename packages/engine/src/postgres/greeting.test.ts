import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { createDatabase } from "./database.ts";

/** One message of the server: its type, its length, its content. */
function message(type: string, content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(content.length + 4);
  return Buffer.concat([Buffer.from(type), length, content]);
}

const authenticated = message("R", Buffer.alloc(4));
const ready = message("Z", Buffer.from("I"));
const ended = message(
  "E",
  Buffer.from("SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0", "latin1"),
);

test("a connection that is ended by the very packet that opens it is lost, and ends nothing else", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end(Buffer.concat([authenticated, ready, ended])));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const database = createDatabase({ host: "127.0.0.1", port, user: "u", database: "d" });
  // An error of the connection that nobody hears would fail the run as an uncaught exception.
  await expect(database.identity()).rejects.toMatchObject({ code: "database_unavailable" });
  await database.close();
  server.close();
});
