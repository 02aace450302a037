import type { ReactNode } from "react";
import { Page } from "../shell/page.tsx";

/** What the replicas do. */
export function OperatorPage(): ReactNode {
  return <Page title="Operator">{null}</Page>;
}
