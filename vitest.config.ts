import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import {
  chromium,
  modelChecker,
  natsServer,
  networkNamespaces,
  postgresServers,
  systemdAnalyze,
} from "./test/services.ts";

const tests = (suffix: string): string[] => [
  `packages/*/src/**/*${suffix}`,
  `packages/*/test/**/*${suffix}`,
  `packages/*/sim/**/*${suffix}`,
  `test/**/*${suffix}`,
];

/** Nothing is measured by these: they end what hangs, on the slowest machine, also with others at work on it. */
const timeouts = { testTimeout: 300_000, hookTimeout: 300_000 };

// The same files once per server: what they prove holds on every version that Parley supports.
const onPostgres = postgresServers().map(({ major, binDir }): TestProjectInlineConfiguration => ({
  test: {
    ...timeouts,
    name: `pg${major}`,
    include: tests(".pg.test.ts"),
    globalSetup: "packages/engine/test/postgres-setup.ts",
    provide: { postgresBinary: { major, binDir: binDir ?? null } },
  },
}));

/** One after the other, and after all others: what a page shows in time is of no use when something else has the machine. */
function inBrowser(executablePath: string | undefined): TestProjectInlineConfiguration {
  return {
    test: {
      ...timeouts,
      name: "browser",
      include: tests(".browser.test.ts"),
      globalSetup: "packages/web/test/browser-setup.ts",
      fileParallelism: false,
      sequence: { groupOrder: 1 },
      provide: { chromium: executablePath ?? "" },
    },
  };
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    ...timeouts,
    projects: [
      {
        test: {
          ...timeouts,
          name: "unit",
          include: tests(".test.ts"),
          exclude: ["**/node_modules/**", "**/*.{pg,nats,netns,browser,systemd,spin,sim}.test.ts"],
        },
      },
      ...onPostgres,
      {
        test: {
          name: "sim",
          include: tests(".sim.test.ts"),
          // As many seeds as are asked for, each with what it takes; each file uses two processes by itself.
          testTimeout: 0,
          fileParallelism: false,
        },
      },
      ...(natsServer() === undefined
        ? []
        : [{ test: { ...timeouts, name: "nats", include: tests(".nats.test.ts") } }]),
      ...(networkNamespaces() === undefined
        ? []
        : [{ test: { ...timeouts, name: "netns", include: tests(".netns.test.ts") } }]),
      ...(systemdAnalyze() === undefined
        ? []
        : [{ test: { ...timeouts, name: "systemd", include: tests(".systemd.test.ts") } }]),
      ...(modelChecker() === undefined
        ? []
        : [
            {
              // A core for seconds each: minutes where the machine is busy.
              test: { name: "spin", include: tests(".spin.test.ts"), testTimeout: 600_000 },
            },
          ]),
      ...(chromium() === undefined ? [] : [inBrowser(chromium())]),
    ],
  },
});
