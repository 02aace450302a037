import { fastifyCookie } from "@fastify/cookie";

const cookieSeconds = 30 * 24 * 3600;

/** Not `Secure`: the server itself speaks plain HTTP, on loopback or behind a proxy. */
const attributes = { httpOnly: true, sameSite: "strict", path: "/" } as const;

/**
 * The names under which the cookie may come, the one to set first. Cookies do not know ports: with one name for all, two
 * servers on a machine would overwrite each other's. What counts is the port that the browser sees, which behind a proxy
 * is not ours: replicas that share an address must all find the cookie that one of them has set.
 */
export function cookieNames(host: string | undefined, port: number): readonly string[] {
  const own = `parley_${port}`;
  if (host === undefined) return [own];
  const seen = /:(\d{1,5})$/.exec(host)?.[1];
  const name = seen === undefined ? "parley" : `parley_${seen}`;
  return name === own ? [own] : [name, own];
}

export function sessionCookie(token: string, host: string | undefined, port: number): string {
  const [name = ""] = cookieNames(host, port);
  return fastifyCookie.serialize(name, token, { ...attributes, maxAge: cookieSeconds });
}

/** Takes every cookie back that would be read. */
export function endedCookies(host: string | undefined, port: number): string[] {
  return cookieNames(host, port).map((name) =>
    fastifyCookie.serialize(name, "", { ...attributes, maxAge: 0 }),
  );
}
