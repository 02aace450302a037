import type { FileStore } from "../domain/files.ts";
import type { SpendPolicy } from "../domain/spending.ts";
import type { ChatRow } from "../domain/rows.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import type { Machine } from "../machine/machine.ts";
import type { ModelPort } from "../models/model-port.ts";
import type { Database } from "../postgres/database.ts";
import type { BacklogRules } from "../store/backlog.ts";
import type { SchemaChecker } from "../schemas/checker.ts";
import type { ChatAccess } from "./access.ts";
import type { Authenticator } from "./auth/authenticator.ts";
import type { ChatSignals } from "../machine/chat-signals.ts";
import type { FileLinks } from "./files/links.ts";
import type { ChatServersPolicy } from "./commands/chat-servers.ts";
import type { HttpLimits } from "./limits.ts";
import type { StreamRegistry } from "./transports/stream-registry.ts";

/** What the API needs to know of models. */
export type ModelCatalogue = Pick<
  ModelPort,
  "has" | "list" | "info" | "optionsOf" | "providers" | "defaultModel"
>;

/** What makes titles of chats. */
export interface TitleMaker {
  readonly enabled: boolean;
  make(chat: ChatRow): void;
}

/** What administrators are told of the deployment goes by this. */
export interface OperatorPort {
  /** The same as what chats are taken by. */
  readonly rules: BacklogRules;
  /** Whether this is the worker of the replica that answers. */
  isHere(workerId: string): boolean;
}

/** What every command and route works with. */
export interface HttpContext {
  readonly machine: Machine;
  readonly database: Database;
  readonly models: ModelCatalogue;
  /** Null: chats bring no MCP servers along. */
  readonly chatServers: ChatServersPolicy | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits: HttpLimits;
  readonly spending: SpendPolicy;
  readonly operator: OperatorPort;
  readonly access: ChatAccess;
  readonly authenticator: Authenticator;
  readonly signals: ChatSignals;
  readonly schemas: Pick<SchemaChecker, "check">;
  readonly titles: TitleMaker;
  readonly files: FileStore;
  readonly fileLinks: FileLinks;
  readonly streamRegistry: StreamRegistry;
  /** Aborts when the server drains: who waits answers with what there is. */
  readonly draining: AbortSignal;
}
