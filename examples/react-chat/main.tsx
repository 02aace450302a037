import { createClient } from "@parley/client";
import { ParleyProvider } from "@parley/client/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App.tsx";

const client = createClient({ baseUrl: "" });
const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <ParleyProvider client={client}>
      <App />
    </ParleyProvider>
  </StrictMode>,
);
