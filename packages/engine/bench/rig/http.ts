import { once } from "node:events";
import { Agent, request, type IncomingMessage } from "node:http";

const agent = new Agent({ keepAlive: true });

/** Sends `body` as JSON, or asks without one. @throws Error for any answer but 200. */
export async function ask(
  url: string,
  { body, headers = {} }: { body?: unknown; headers?: Readonly<Record<string, string>> } = {},
): Promise<IncomingMessage> {
  const call = request(url, {
    method: body === undefined ? "GET" : "POST",
    agent,
    headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
  });
  call.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(call, "response")) as [IncomingMessage];
  if (response.statusCode === 200) return response;
  response.resume();
  throw new Error(`answered ${response.statusCode}`);
}

export async function postJson<T>(url: string, body: unknown): Promise<T> {
  const response = await ask(url, { body });
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk as string;
  return JSON.parse(text) as T;
}

export function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}
