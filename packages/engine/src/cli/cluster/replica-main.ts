/**
 * What a replica of `parley cluster` runs: the ordinary command line, but it ends with the process that started it, also
 * where that one could not say so any more.
 */
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
// The channel is there to break, not to keep this process alive.
process.channel?.unref();

await import("../main.ts");
