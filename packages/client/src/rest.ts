import type {
  Approvals,
  Chat,
  ChatQueueAnswer,
  CreateChat,
  CreateChatAnswer,
  CreateToken,
  CreateTokenAnswer,
  DrainAnswer,
  EditMessage,
  EditMessageAnswer,
  EditQueued,
  FileAnswer,
  FileLinkAnswer,
  ForkChat,
  Interrupt,
  InterruptAnswer,
  ListChatsAnswer,
  ListChatsQuery,
  ListFilesAnswer,
  ListFilesQuery,
  ListMessagesAnswer,
  ListMessagesQuery,
  MessageVersionsAnswer,
  Model,
  ModelsAnswer,
  OperatorChatAnswer,
  OwnerBudgetAnswer,
  OwnerUsageAnswer,
  OwnerUsageQuery,
  PatchChat,
  QueueAnswer,
  ReplicaMetricsAnswer,
  ReplicasAnswer,
  SendMessage,
  SendMessageAnswer,
  SetBudget,
  SessionAnswer,
  StoredFile,
  StreamTicketAnswer,
  Token,
  TokensAnswer,
  ToolResults,
  ToolResultsAnswer,
  UsageAnswer,
} from "@parley/protocol";
import { call, type Answer, type Call } from "./call.ts";
import type { ClientContext } from "./options.ts";

export interface CallOptions {
  signal?: AbortSignal | undefined;
  /** Names this wish: sending it twice takes effect once. Made up where none is given. */
  idempotencyKey?: string | undefined;
}

export interface InterruptOptions extends Interrupt {
  /** Wait (at most 10 s) until what was said is committed. */
  wait?: boolean;
}

export interface UploadOptions extends CallOptions {
  /** What people know the file by. Default: the name of a `File`, else none. */
  name?: string | undefined;
  /** How long one try may take. Default 60 s, after which the server gives up too. */
  timeoutMs?: number | undefined;
}

const uploadMs = 60_000;

/**
 * The calls of the API, one method each. All of them may throw `ParleyApiError` and
 * `ParleyNetworkError`, and are safe to send again after either.
 */
export type Rest = ReturnType<typeof createRest>;

type Query = NonNullable<Call["query"]>;

const api = "/api/v1";

/** The path of a chat, for routes below it. */
export function chatPath(chatId: string): string {
  return `${api}/chats/${encodeURIComponent(chatId)}`;
}

function replicaPath(replicaId: string): string {
  return `${api}/replicas/${encodeURIComponent(replicaId)}`;
}

function filePath(fileId: string): string {
  return `${api}/files/${encodeURIComponent(fileId)}`;
}

export const watchPath = `${api}/chats/watch`;

export function createRest(context: ClientContext) {
  const read = async <T>(
    path: string,
    query: Query = {},
    options: CallOptions = {},
  ): Promise<T> => {
    const answer = await call(context, { method: "GET", path, query, signal: options.signal });
    return answer.body as T;
  };

  const send = (
    method: Exclude<Call["method"], "GET">,
    path: string,
    body?: unknown,
    options: CallOptions = {},
    query: Query = {},
  ): Promise<Answer> => {
    const key = options.idempotencyKey ?? context.runtime.uuid();
    return call(context, { method, path, query, body, key, signal: options.signal });
  };

  const change = async <T>(...request: Parameters<typeof send>): Promise<T> =>
    (await send(...request)).body as T;

  /** Where a message is made, its `client_id` is the key. */
  const make = async <T>(
    method: "POST" | "PATCH",
    path: string,
    body: { client_id?: string | undefined },
    options: CallOptions = {},
  ): Promise<T> => {
    const client_id = body.client_id ?? options.idempotencyKey ?? context.runtime.uuid();
    const full = { ...body, client_id };
    return (await call(context, { method, path, body: full, signal: options.signal })).body as T;
  };

  const message = (chatId: string, id: number) => `${chatPath(chatId)}/messages/${id}`;
  const queued = (chatId: string, id: number) => `${chatPath(chatId)}/queue/${id}`;

  return {
    createChat: (body: CreateChat, options?: CallOptions): Promise<CreateChatAnswer> =>
      make("POST", `${api}/chats`, body, options),

    listChats: (query: Partial<ListChatsQuery> = {}, options?: CallOptions) =>
      read<ListChatsAnswer>(`${api}/chats`, query, options),

    getChat: async (chatId: string, options?: CallOptions): Promise<Chat> =>
      chatOf(await read(chatPath(chatId), {}, options)),

    patchChat: async (chatId: string, body: PatchChat, options?: CallOptions): Promise<Chat> =>
      chatOf(await change("PATCH", chatPath(chatId), body, options)),

    deleteChat: async (chatId: string, options?: CallOptions): Promise<void> => {
      await send("DELETE", chatPath(chatId), undefined, options);
    },

    /** What the chat has used, and what it has together with its sub-agents. */
    usage: (chatId: string, options?: CallOptions): Promise<UsageAnswer> =>
      read(`${chatPath(chatId)}/usage`, {}, options),

    /** What all chats of the caller have used, by day and model. */
    ownerUsage: (
      query: Partial<OwnerUsageQuery> = {},
      options?: CallOptions,
    ): Promise<OwnerUsageAnswer> => read(`${api}/usage`, query, options),

    /** What an owner may spend, and has: of the caller, or for an administrator of anybody. */
    ownerBudget: (ownerId: string, options?: CallOptions): Promise<OwnerBudgetAnswer> =>
      read(`${api}/owners/${encodeURIComponent(ownerId)}/budget`, {}, options),

    /** For administrators. null: the deployment's own budget holds again. */
    setOwnerBudget: (
      ownerId: string,
      budget: SetBudget["budget"],
      options?: CallOptions,
    ): Promise<OwnerBudgetAnswer> =>
      change("PUT", `${api}/owners/${encodeURIComponent(ownerId)}/budget`, { budget }, options),

    forkChat: async (chatId: string, body: ForkChat = {}, options?: CallOptions): Promise<Chat> =>
      chatOf(await make("POST", `${chatPath(chatId)}/fork`, body, options)),

    /** Has another title made, in the background: it comes with the chat's stream. */
    makeTitle: async (chatId: string, options?: CallOptions): Promise<Chat> =>
      chatOf(await change("POST", `${chatPath(chatId)}/title`, {}, options)),

    /** Sets a title of one's own. */
    title: async (chatId: string, title: string, options?: CallOptions): Promise<Chat> =>
      chatOf(await change("POST", `${chatPath(chatId)}/title`, { title }, options)),

    listMessages: (
      chatId: string,
      query: Partial<ListMessagesQuery> = {},
      options?: CallOptions,
    ): Promise<ListMessagesAnswer> => read(`${chatPath(chatId)}/messages`, query, options),

    sendMessage: (
      chatId: string,
      body: SendMessage,
      options?: CallOptions,
    ): Promise<SendMessageAnswer> => make("POST", `${chatPath(chatId)}/messages`, body, options),

    /** Replaces a user message and everything after it, and answers it anew. */
    editMessage: (
      chatId: string,
      messageId: number,
      body: EditMessage,
      options?: CallOptions,
    ): Promise<EditMessageAnswer> => make("PATCH", message(chatId, messageId), body, options),

    /** What stood in the place of an edited message before, newest first. */
    messageVersions: (
      chatId: string,
      messageId: number,
      options?: CallOptions,
    ): Promise<MessageVersionsAnswer> =>
      read(`${message(chatId, messageId)}/versions`, {}, options),

    editQueued: (
      chatId: string,
      queuedId: number,
      body: EditQueued,
      options?: CallOptions,
    ): Promise<QueueAnswer> => change("PATCH", queued(chatId, queuedId), body, options),

    /** Stops the running turn, keeps what it said, and answers this message next. */
    promoteQueued: (
      chatId: string,
      queuedId: number,
      options?: CallOptions,
    ): Promise<ChatQueueAnswer> =>
      change("POST", `${queued(chatId, queuedId)}/promote`, undefined, options),

    deleteQueued: (
      chatId: string,
      queuedId: number,
      options?: CallOptions,
    ): Promise<ChatQueueAnswer> => change("DELETE", queued(chatId, queuedId), undefined, options),

    /** Stops the running turn. `pending`: it is durable, and what was said is not committed yet. */
    interrupt: async (
      chatId: string,
      { wait, ...body }: InterruptOptions = {},
      options?: CallOptions,
    ): Promise<InterruptAnswer & { pending: boolean }> => {
      const path = `${chatPath(chatId)}/interrupt`;
      const answer = await send("POST", path, body, options, wait === true ? { wait } : {});
      return { ...(answer.body as InterruptAnswer), pending: answer.status === 202 };
    },

    retry: async (chatId: string, options?: CallOptions): Promise<Chat> =>
      chatOf(await change("POST", `${chatPath(chatId)}/retry`, undefined, options)),

    /** Has the context summarised that the model is given; the transcript stays. A failed turn goes on after it. */
    compact: async (chatId: string, options?: CallOptions): Promise<Chat> =>
      chatOf(await change("POST", `${chatPath(chatId)}/compact`, undefined, options)),

    /** The model begins anew from here; the transcript stays. Gives the marker that people see. */
    clear: (chatId: string, options?: CallOptions): Promise<CreateChatAnswer> =>
      change("POST", `${chatPath(chatId)}/clear`, undefined, options),

    reconcile: async (chatId: string, options?: CallOptions): Promise<Chat> =>
      chatOf(await change("POST", `${chatPath(chatId)}/reconcile`, undefined, options)),

    submitToolResults: (
      chatId: string,
      results: ToolResults["results"],
      options?: CallOptions,
    ): Promise<ToolResultsAnswer> =>
      change("POST", `${chatPath(chatId)}/tool-results`, { results }, options),

    decideApprovals: async (
      chatId: string,
      decisions: Approvals["decisions"],
      options?: CallOptions,
    ): Promise<Chat> =>
      chatOf(await change("POST", `${chatPath(chatId)}/approvals`, { decisions }, options)),

    /** Opens the chat's stream once, within 60 s, for who cannot send a header there. */
    streamTicket: (chatId: string, options?: CallOptions): Promise<StreamTicketAnswer> =>
      change("POST", `${chatPath(chatId)}/stream-tickets`, undefined, options),

    /** Stores a file. Its `id` goes into messages: `{type: "file", file_id}`. */
    uploadFile: async (
      bytes: Blob | Uint8Array<ArrayBuffer>,
      { name, timeoutMs = uploadMs, signal, idempotencyKey }: UploadOptions = {},
    ): Promise<StoredFile> => {
      const given = name ?? ("name" in bytes ? String(bytes.name) : undefined);
      const key = idempotencyKey ?? context.runtime.uuid();
      const path = `${api}/files`;
      const query = { name: given };
      const answer = await call(context, {
        method: "POST",
        path,
        query,
        bytes,
        key,
        timeoutMs,
        signal,
      });
      return (answer.body as FileAnswer).file;
    },

    /** The caller's files whose bytes are there, the newest first. */
    listFiles: (
      query: Partial<ListFilesQuery> = {},
      options?: CallOptions,
    ): Promise<ListFilesAnswer> => read(`${api}/files`, query, options),

    getFile: async (fileId: string, options?: CallOptions): Promise<StoredFile> =>
      (await read<FileAnswer>(filePath(fileId), {}, options)).file,

    /** An address from which anybody can fetch the bytes for a while: for an `<img>`, a download, a new tab. */
    fileUrl: async (fileId: string, options?: CallOptions): Promise<string> => {
      const path = `${filePath(fileId)}/links`;
      const { url } = await change<FileLinkAnswer>("POST", path, undefined, options);
      return `${context.baseUrl}${url}`;
    },

    /** Takes the bytes away at once; messages that refer to the file say so from then on. */
    deleteFile: async (fileId: string, options?: CallOptions): Promise<void> => {
      await send("DELETE", filePath(fileId), undefined, options);
    },

    models: async (options?: CallOptions): Promise<Model[]> =>
      (await read<ModelsAnswer>(`${api}/models`, {}, options)).models,

    /** Who the client is, and which version the server has. */
    session: (options?: CallOptions): Promise<SessionAnswer> => read(`${api}/session`, {}, options),

    /** For pages of the server itself: keeps the token in a cookie that scripts cannot read. */
    signIn: (token: string, options?: CallOptions): Promise<SessionAnswer> =>
      change("POST", `${api}/session`, { token }, options),

    /** Takes the cookie back; its token stays good elsewhere. */
    signOut: async (options?: CallOptions): Promise<void> => {
      await send("DELETE", `${api}/session`, undefined, options);
    },

    /** The caller's tokens that are not revoked. */
    tokens: async (options?: CallOptions): Promise<Token[]> =>
      (await read<TokensAnswer>(`${api}/tokens`, {}, options)).tokens,

    /** The secret is in the answer, this once. Who loses the answer revokes the token and makes another. */
    createToken: (body: CreateToken, options?: CallOptions): Promise<CreateTokenAnswer> =>
      change("POST", `${api}/tokens`, body, options),

    /** Its streams end at once. */
    revokeToken: async (tokenId: string, options?: CallOptions): Promise<void> => {
      await send("DELETE", `${api}/tokens/${encodeURIComponent(tokenId)}`, undefined, options);
    },

    /** For administrators: the replicas and what each runs, chats by state, queue and capacity. */
    replicas: (options?: CallOptions): Promise<ReplicasAnswer> =>
      read(`${api}/replicas`, {}, options),

    /** For administrators: figures of a replica's last minutes, whichever replica is asked. */
    replicaMetrics: (replicaId: string, options?: CallOptions): Promise<ReplicaMetricsAnswer> =>
      read(`${replicaPath(replicaId)}/metrics`, {}, options),

    /** For administrators: the replica hands its chats over and takes no more; its process stays. */
    drainReplica: (replicaId: string, options?: CallOptions): Promise<DrainAnswer> =>
      change("POST", `${replicaPath(replicaId)}/drain`, undefined, options),

    /** For administrators: how any chat stands, without what is said in it. */
    operatorChat: (chatId: string, options?: CallOptions): Promise<OperatorChatAnswer> =>
      read(`${api}/operator/chats/${encodeURIComponent(chatId)}`, {}, options),

    /** Resolves when the process answers; says nothing of its database. */
    health: async (options?: CallOptions): Promise<void> => {
      await read("/healthz", {}, options);
    },
  };
}

/** The chat of an answer, whether it stands alone or under its name. */
function chatOf(body: Chat | { chat: Chat }): Chat {
  return "chat" in body ? body.chat : body;
}
