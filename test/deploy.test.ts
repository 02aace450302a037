import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DCLinter } from "dclint";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { settingKeys, settingOf } from "../packages/engine/src/config/load.ts";
import { root } from "./architecture/sources.ts";
import { manifestsOf, problemsOf, type Manifest } from "./deploy/kubernetes.ts";

/** What people copy to run it: accepted by linters, and true of the Parley that it is beside. */

const read = (path: string): string => readFileSync(join(root, path), "utf8");
const defaultOf = (key: "drainGraceMs" | "port"): number => Number(settingOf(key).default);
const graceSeconds = defaultOf("drainGraceMs") / 1_000;

describe("compose.yaml", () => {
  // Its taste in the order of keys aside.
  const rules = {
    "service-keys-order": 0,
    "top-level-properties-order": 0,
    "require-quotes-in-ports": [1, { quoteType: "double" }],
  };
  interface Finding {
    readonly line: number;
    readonly rule: string;
    readonly message: string;
  }
  const lint = (file: string): string[] => {
    const linter = new DCLinter({
      rules: rules as unknown as Record<string, never>,
      quiet: false,
      debug: false,
      exclude: [],
    });
    const results = linter.lintFiles([file], false) as readonly { messages: Finding[] }[];
    return results
      .flatMap(({ messages }) => messages)
      .map(({ line, rule, message }) => `${line} ${rule}: ${message}`);
  };
  const lintText = (text: string): string[] => {
    const folder = mkdtempSync(join(tmpdir(), "parley-compose-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, "compose.yaml");
    writeFileSync(file, text);
    return lint(file);
  };
  const text = read("deploy/compose.yaml");
  const { services } = parse(text, { merge: true }) as { services: Record<string, Service> };
  const replicas = Object.entries(services).filter(([name]) => name.startsWith("parley-"));

  interface Service {
    environment?: Record<string, string>;
    stop_grace_period?: string;
    networks?: string[];
    ports?: string[];
  }

  it("is accepted by the linter", () => {
    expect(lint(join(root, "deploy/compose.yaml"))).toEqual([]);
  });

  it.each([
    ["a key that does not exist", text.replace("stop_grace_period: 45s", "stop_grace: 45s")],
    ["a wrong type", text.replace("init: true", "init: [yes]")],
  ])("would not be with %s", (_what, broken) => {
    expect(broken).not.toBe(text);
    expect(lintText(broken)).not.toEqual([]);
  });

  it("gives replicas more time than their grace, and each its own name for the others", () => {
    expect(replicas.length).toBeGreaterThan(1);
    for (const [name, { environment, stop_grace_period, ports }] of replicas) {
      expect(Number.parseInt(stop_grace_period ?? "", 10), name).toBeGreaterThan(graceSeconds + 10);
      expect(environment?.["PARLEY_RELAY_URL"]).toBe(
        `ws://${name}:${environment?.["PARLEY_RELAY_PORT"]}`,
      );
      expect(ports).toBeUndefined();
    }
    expect(services["postgres"]?.networks).toEqual(["back"]);
    expect(services["caddy"]?.networks).toEqual(["front"]);
  });

  it("is what the Caddyfile sends requests to", () => {
    const upstreams = replicas.map(([name]) => `${name}:${defaultOf("port")}`).join(" ");
    expect(read("deploy/Caddyfile")).toContain(`{$PARLEY_UPSTREAMS:${upstreams}}`);
  });
});

describe("the Kubernetes manifests", () => {
  const folder = "deploy/kubernetes";
  const files = readdirSync(join(root, folder)).map((name) => `${folder}/${name}`);
  const all = files.flatMap((file) => manifestsOf(read(file)));
  const of = (kind: string): Manifest => {
    const found = all.find((manifest) => manifest.kind === kind);
    if (found === undefined) throw new Error(`there is no ${kind}`);
    return found;
  };

  interface Deployment extends Manifest {
    spec: { replicas: number; selector: unknown; template: { metadata: unknown; spec: Pod } };
  }
  interface Pod {
    enableServiceLinks: boolean;
    terminationGracePeriodSeconds: number;
    containers: {
      env: { name: string }[];
      ports: { name: string; containerPort: number }[];
      lifecycle: { preStop: { sleep: { seconds: number } } };
      readinessProbe: { httpGet: { path: string } };
      livenessProbe: { httpGet: { path: string } };
    }[];
  }
  const deployment = of("Deployment") as Deployment;
  const pod = deployment.spec.template.spec;
  const [container] = pod.containers;

  it("are accepted by Kubernetes' own description of them", async () => {
    expect(all.length).toBeGreaterThan(5);
    expect(await problemsOf(all)).toEqual([]);
  }, 60_000);

  it.each<[string, RegExp, (broken: Deployment) => void]>([
    [
      "a field that does not exist",
      /"gracePeriod"' does not exist/,
      ({ spec }) => Object.assign(spec.template.spec, { gracePeriod: 50 }),
    ],
    ["a wrong type", /replicas/, ({ spec }) => Object.assign(spec, { replicas: "three" })],
    [
      "something that is missing",
      /selector/,
      ({ spec }) => Reflect.deleteProperty(spec, "selector"),
    ],
    [
      "a kind that is not there",
      /Deploiment/,
      (broken) => Object.assign(broken, { kind: "Deploiment" }),
    ],
  ])("would not be with %s", async (_what, says, spoil) => {
    const broken = structuredClone(deployment);
    spoil(broken);
    expect((await problemsOf([broken])).join("\n")).toMatch(says);
  });

  it("leave a replica the time that it needs to end", () => {
    const { seconds } = container!.lifecycle.preStop.sleep;
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(graceSeconds + seconds + 10);
  });

  it("keep the variables out that Kubernetes makes of a Service's name", () => {
    expect(pod.enableServiceLinks).toBe(false);
  });

  it("restart only what does not serve, and send requests only to what is ready", () => {
    expect(container?.livenessProbe.httpGet.path).toBe("/healthz");
    expect(container?.readinessProbe.httpGet.path).toBe("/readyz");
  });

  it("open no port of the relay but to replicas", () => {
    const ports = Object.fromEntries(
      container!.ports.map((port) => [port.name, port.containerPort]),
    );
    expect(ports["http"]).toBe(defaultOf("port"));
    const relay = container?.env.find(({ name }) => name === "PARLEY_RELAY_PORT");
    expect(relay).toMatchObject({ value: String(ports["relay"]) });
    const { ingress } = of("NetworkPolicy")["spec"] as {
      ingress: { from: { podSelector?: unknown }[]; ports: { port: string }[] }[];
    };
    const toRelay = ingress.filter((rule) => rule.ports.some(({ port }) => port === "relay"));
    expect(toRelay.flatMap(({ from }) => from)).toEqual([
      { podSelector: deployment.spec.selector },
    ]);
    expect(JSON.stringify(of("Service"))).not.toContain("relay");
  });
});

describe("the Dockerfile", () => {
  const text = read("Dockerfile");

  it("copies what is there, of every package, and what the builder is sent", () => {
    const sources = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, list = ""]) =>
      list.split(" "),
    );
    expect(sources.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    for (const name of readdirSync(join(root, "packages"))) {
      expect(sources).toContain(`packages/${name}/package.json`);
      expect(sources).toContain(`packages/${name}/src`);
    }
    expect(sources).toContain("packages/engine/migrations");
    expect(text).toMatch(/^COPY --from=web \S+\/packages\/web\/dist packages\/web\/dist$/m);
    const sent =
      read(".dockerignore")
        .match(/^!.+$/gm)
        ?.map((line) => line.slice(1)) ?? [];
    expect(sources.filter((path) => !sent.some((top) => path.startsWith(top)))).toEqual([]);
  });

  it("runs the server itself, as somebody without rights, on the Node that is asked for", () => {
    expect(text).toMatch(/^USER 1000:1000$/m);
    expect(text).toMatch(/^ENTRYPOINT \["node", "\/app\/packages\/engine\/src\/cli\/main\.ts"\]$/m);
    const { engines } = JSON.parse(read("packages/engine/package.json")) as {
      engines: { node: string };
    };
    const major = Number(/^FROM node:(\d+)-slim$/m.exec(text)?.[1]);
    expect(major).toBeGreaterThanOrEqual(Number(/\d+/.exec(engines.node)?.[0]));
  });
});

describe("all of them", () => {
  it("name only settings that exist", () => {
    const names = (folder: string): string[] =>
      readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? names(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
      );
    const known = new Set(settingKeys.map((key) => settingOf(key).env));
    const own = new Set(["PARLEY_DOMAIN", "PARLEY_UPSTREAMS"]);
    const files = [...names("deploy"), "Dockerfile", "docs/operations.md"];
    const unknown = files.flatMap((file) =>
      [...read(file).matchAll(/\bPARLEY_[A-Z_]+[A-Z]\b/g)]
        .map(([name]) => name)
        .filter((name) => !known.has(name) && !own.has(name))
        .map((name) => `${file}: ${name}`),
    );
    expect(files.length).toBeGreaterThan(8);
    expect(unknown).toEqual([]);
  });
});
