import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { scriptedMcp } from "./mcp-server.ts";

process.stderr.write("the scripted server says hello\n");
serveStdio(() => scriptedMcp());
