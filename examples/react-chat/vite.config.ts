import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const target = process.env["PARLEY_URL"] ?? "http://127.0.0.1:7420";
const token = process.env["PARLEY_TOKEN"];

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  server: {
    host: "127.0.0.1",
    // The token stays here: the page asks its own server, which says for whom.
    proxy: {
      "/api": {
        target,
        ws: true,
        changeOrigin: true,
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      },
    },
  },
});
