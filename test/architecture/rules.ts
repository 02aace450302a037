import { posix } from "node:path";
import { importsOf, isTest, lineOf, withoutComments, type Source } from "./sources.ts";

/** What a layer of the engine may import from its neighbours. `types` are gone at run time. */
interface Layer {
  readonly imports: readonly string[];
  readonly types?: readonly string[];
  /** Packages that may be imported here; each is imported nowhere else unless it is listed there too. */
  readonly packages?: readonly string[];
}

const below = ["lib", "domain", "@parley/protocol"] as const;

/**
 * The engine's layers (ARCHITECTURE.md). `worker` and `stream` never import each other: they
 * meet in the database, the bus, the part buffer and the commits that the machine publishes.
 */
export const layers: Readonly<Record<string, Layer>> = {
  lib: { imports: [], types: ["@parley/protocol"] },
  domain: { imports: ["lib", "@parley/protocol"] },
  postgres: { imports: ["lib"], packages: ["pg"] },
  store: { imports: [...below, "postgres"], types: ["bus", "parts", "models", "tools"] },
  machine: { imports: [...below, "postgres", "store"] },
  bus: { imports: below, packages: ["@nats-io/transport-node", "zod"] },
  parts: { imports: below },
  models: { imports: below, packages: ["@ai-sdk/*", "zod"] },
  // Its thread is the one place where schemas from outside are compiled.
  schemas: { imports: below, packages: ["ajv", "ajv-formats"] },
  tools: {
    imports: below,
    types: ["models"],
    // The schemas that it compiles are the deployment's own.
    packages: [
      "zod",
      "ajv",
      "ajv-formats",
      "@modelcontextprotocol/client",
      "@modelcontextprotocol/server",
    ],
  },
  worker: {
    imports: [
      ...below,
      "postgres",
      "store",
      "machine",
      "bus",
      "parts",
      "models",
      "schemas",
      "tools",
    ],
  },
  titles: { imports: [...below, "store", "machine"], types: ["models"] },
  stream: {
    imports: [...below, "postgres", "store", "machine", "bus", "parts"],
    packages: ["dataloader", "zod", "ws"],
  },
  http: {
    imports: [...below, "postgres", "store", "machine", "schemas", "stream", "tools"],
    types: ["models", "parts"],
    packages: [
      "fastify",
      "fastify-type-provider-zod",
      "@fastify/*",
      "@modelcontextprotocol/server",
      "dataloader",
      "file-type",
      "ws",
      "zod",
    ],
  },
  telemetry: { imports: ["lib"], packages: ["pino", "prom-client"] },
  config: { imports: ["lib", "@parley/protocol"], types: ["domain", "tools"], packages: ["zod"] },
  engine: {
    imports: [
      ...below,
      "postgres",
      "store",
      "machine",
      "bus",
      "parts",
      "models",
      "schemas",
      "titles",
      "tools",
      "worker",
      "stream",
      "http",
      "telemetry",
      "config",
    ],
  },
  cli: {
    imports: [
      ...below,
      "postgres",
      "store",
      "tools",
      "telemetry",
      "config",
      "engine",
      "@parley/client",
    ],
    packages: ["commander", "zod", "@modelcontextprotocol/server"],
  },
  // The public surface: what an embedding application imports.
  index: { imports: ["lib", "postgres", "tools", "models", "config", "engine"] },
};

/** The terminal chat is an ordinary client: it knows of the server only what the SDK knows. */
const chatImports = ["lib", "@parley/client", "@parley/protocol"];

const engineSource = "packages/engine/src/";

/** `lib`, `worker`, …; `engine` for `engine.ts` itself, `index` for the public surface. */
export function layerOf(path: string): string | undefined {
  if (!path.startsWith(engineSource)) return undefined;
  const rest = path.slice(engineSource.length);
  const name = rest.split("/")[0] ?? rest;
  return name.replace(/\.ts$/, "");
}

export function importViolations(source: Source): string[] {
  if (isTest(source.path)) return [];
  const layer = layerOf(source.path);
  if (layer !== undefined) return engineViolations(source, layer);
  if (source.path.startsWith("packages/protocol/src/")) {
    return importsOf(source.text)
      .filter(({ from }) => !from.startsWith(".") && from !== "zod")
      .map(({ from }) => `${source.path}: protocol imports ${from}; it may import only zod`);
  }
  if (source.path.startsWith("packages/client/src/")) {
    return importsOf(source.text)
      .filter(({ from, typeOnly }) => !allowedInClient(source.path, from, typeOnly))
      .map(({ from }) => `${source.path}: client imports ${from}, but it runs in browsers`);
  }
  if (source.path.startsWith("packages/web/src/")) {
    return importsOf(source.text)
      .filter(({ from }) => !allowedInWeb(from))
      .map(({ from }) => `${source.path}: web imports ${from}; it stands on the SDK alone`);
  }
  return [];
}

/** The application is the SDK's proof: of Parley it sees what everybody sees. */
const webPackages = [
  "@parley/client",
  "@parley/protocol",
  "@dnd-kit/*",
  "@streamdown/*",
  "clsx",
  "katex",
  "lucide-react",
  "radix-ui",
  "react",
  "react-dom",
  "streamdown",
  "uplot",
  "virtua",
  "wouter",
];

function allowedInWeb(from: string): boolean {
  if (from.startsWith(".")) return true;
  // Only what these export: `@parley/client/src/…` would be a way around it.
  if (from.startsWith("@parley/")) {
    return ["@parley/client", "@parley/client/react", "@parley/protocol"].includes(from);
  }
  return webPackages.some((pattern) => matches(pattern, packageOf(from)));
}

function allowedInClient(path: string, from: string, typeOnly: boolean): boolean {
  // What is not React's own stays usable without it.
  const isHook = path.startsWith("packages/client/src/react/");
  if (from === "react") return isHook;
  if (/^\.+\/react\//.test(from)) return isHook || path === "packages/client/src/react.ts";
  const packages = ["@parley/protocol", "eventsource-parser"];
  return from.startsWith(".") || packages.includes(from) || (typeOnly && from === "ws");
}

function engineViolations(source: Source, layer: string): string[] {
  const rules = layers[layer];
  if (rules === undefined) return [`${source.path}: no rule for the folder ${layer}`];
  const inChat = source.path.startsWith(`${engineSource}cli/chat/`);
  const allowed = inChat ? chatImports : rules.imports;
  return importsOf(source.text).flatMap(({ from, typeOnly }): string[] => {
    const target = targetOf(source.path, from);
    if (target === undefined || target === layer) return [];
    if (allowed.includes(target)) return [];
    if (typeOnly && rules.types?.includes(target) === true) return [];
    if (rules.packages?.some((pattern) => matches(pattern, target)) === true) return [];
    return [`${source.path}: ${layer} may not import ${target} (${from})`];
  });
}

/** The layer or package that an import names; undefined for Node's own modules, which `bannedCalls` judges. */
function targetOf(path: string, from: string): string | undefined {
  if (from.startsWith("node:")) return undefined;
  if (!from.startsWith(".")) return packageOf(from);
  const resolved = posix.normalize(posix.join(posix.dirname(path), from));
  // A JSON or SQL file beside the code (package.json for the version) is data, not a layer.
  if (!resolved.endsWith(".ts")) return undefined;
  return layerOf(resolved) ?? resolved;
}

function packageOf(from: string): string {
  const parts = from.split("/");
  return from.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? from);
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith("/*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

interface Ban {
  readonly what: string;
  readonly pattern: RegExp;
  /** Paths below `packages/engine/src/` where it is the one allowed place. */
  readonly except: readonly string[];
  readonly instead: string;
}

const clock = ["lib/clock.ts", "lib/manual-clock.ts"];
const socketOwners = [
  "postgres/",
  "http/",
  "models/",
  "cli/",
  "bus/",
  "stream/relay/",
  "tools/mcp/",
];

export const bans: readonly Ban[] = [
  { what: "Date.now", pattern: /\bDate\.now\b/, except: clock, instead: "Clock.now" },
  {
    what: "new Date()",
    pattern: /\bnew Date\(\s*\)/,
    except: [],
    instead: "new Date(clock.now())",
  },
  {
    what: "performance.now",
    pattern: /\bperformance\.now\b/,
    except: clock,
    instead: "Clock.monotonic",
  },
  {
    what: "process.hrtime",
    pattern: /\bprocess\.hrtime\b/,
    except: clock,
    instead: "Clock.monotonic",
  },
  {
    what: "a global timer",
    pattern: /(?<![.\w])(?:globalThis\.)?(?:setTimeout|setInterval)\s*\(|\bnode:timers\b/,
    except: clock,
    instead: "Clock.timer or Clock.sleep",
  },
  {
    what: "Math.random",
    pattern: /\bMath\.random\b/,
    except: ["lib/random.ts"],
    instead: "Random.float",
  },
  {
    what: "randomUUID or randomBytes",
    pattern: /\b(?:randomUUID|randomBytes|randomInt|getRandomValues)\b/,
    except: ["lib/random.ts"],
    instead: "Random",
  },
  {
    what: "process.env",
    pattern:
      /\bprocess\.env\b|\benv\s*\}\s*=\s*process\b|\bimport\s*\{[^}]*\benv\b[^}]*\}\s*from\s*"node:process"/,
    // The embedded server's programs are given a PATH and nothing else of the environment.
    except: ["config.ts", "config/", "cli/main.ts", "postgres/embedded/cluster.ts"],
    instead: "a setting of the configuration table",
  },
  {
    what: "console",
    pattern: /\bconsole\.\w+/,
    except: ["cli/"],
    instead: "Logger",
  },
  {
    what: "AbortSignal.any",
    pattern: /\bAbortSignal\.(?:any|timeout)\b/,
    except: [],
    instead: "lib/abort.ts (AbortSignal.any leaks, node #54614) and Clock.timer",
  },
  {
    what: "fetch",
    pattern: /(?<![.\w])(?:globalThis\.)?fetch\s*\(|\bglobalThis\.fetch\b/,
    except: ["models/", "cli/", "tools/mcp/"],
    instead: "the port of the layer that owns sockets",
  },
  {
    what: "a socket module",
    pattern:
      /\b(?:from|import)\s*\(?\s*["'](?:node:)?(?:net|tls|http|https|http2|dgram|dns)(?:\/promises)?["']/,
    except: socketOwners,
    instead: "the port of the layer that owns sockets",
  },
  {
    what: "a child process",
    pattern: /["'](?:node:)?child_process["']/,
    except: ["postgres/embedded", "cli/", "tools/"],
    instead: "nothing: only the embedded server is started from here",
  },
];

export function banViolations(source: Source): string[] {
  if (!source.path.startsWith(engineSource) || isTest(source.path)) return [];
  const rest = source.path.slice(engineSource.length);
  const code = withoutComments(source.text);
  return bans
    .filter(({ except }) => !except.some((place) => rest.startsWith(place)))
    .flatMap(({ what, pattern, instead }) => {
      const match = pattern.exec(code);
      if (match === null) return [];
      const line = lineOf(code, match.index);
      return [`${source.path}:${line}: ${what} is banned here; use ${instead}`];
    });
}
