import { join } from "node:path";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { precompress } from "./build/precompress.ts";

/** Where `npm run dev` finds a server to talk to. */
const server = process.env["PARLEY_DEV_SERVER"] ?? "http://127.0.0.1:7420";

export default defineConfig({
  root: import.meta.dirname,
  resolve: {
    // Its part of the Markdown renderer is not used: HTML in messages is never parsed (conversation/markdown).
    alias: { "rehype-raw": join(import.meta.dirname, "build/no-html-parser.ts") },
  },
  plugins: [react(), tailwindcss(), precompress()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2023",
    // With `light-dark()` as it is: a part of a page may be in the other theme.
    cssTarget: ["chrome123", "firefox121", "safari17.5"],
    // Everything is fetched by name from our own origin; nothing is inlined that the content policy would have to allow.
    assetsInlineLimit: 0,
    // The grammars of some languages are larger than that, each in a file that is asked for when somebody shows such code.
    chunkSizeWarningLimit: 1_000,
    modulePreload: { polyfill: false },
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: server, ws: true } },
  },
});
