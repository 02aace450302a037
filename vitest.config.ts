import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { natsServer, postgresServers } from "./test/services.ts";

const tests = (suffix: string): string[] => [
  `packages/*/src/**/*${suffix}`,
  `packages/*/test/**/*${suffix}`,
  `test/**/*${suffix}`,
];

// The same files once per server: what they prove holds on every version that Parley supports.
const onPostgres = postgresServers().map(({ major, binDir }): TestProjectInlineConfiguration => ({
  test: {
    name: `pg${major}`,
    include: tests(".pg.test.ts"),
    globalSetup: "packages/engine/test/postgres-setup.ts",
    provide: { postgresBinary: { major, binDir: binDir ?? null } },
  },
}));

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "unit",
          include: tests(".test.ts"),
          exclude: ["**/node_modules/**", "**/*.{pg,nats,browser}.test.ts"],
        },
      },
      ...onPostgres,
      ...(natsServer() === undefined
        ? []
        : [{ test: { name: "nats", include: tests(".nats.test.ts") } }]),
    ],
  },
});
