/** `node door.ts HOST PORT SOCKET`: a TCP address behind which a server answers that listens on a Unix socket only. */
import { createConnection, createServer } from "node:net";

const [host, port, path = ""] = process.argv.slice(2);

const server = createServer((outside) => {
  const inside = createConnection(path);
  outside.pipe(inside).pipe(outside);
  for (const [one, other] of [
    [outside, inside],
    [inside, outside],
  ] as const) {
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
  }
});
server.listen(Number(port), host, () => process.stdout.write("open\n"));
// It lives as long as the one who started it.
process.stdin.resume();
process.stdin.once("end", () => process.exit(0));
