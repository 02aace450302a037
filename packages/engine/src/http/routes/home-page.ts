/** The whole style of the page; the content policy names its hash. */
export const style = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 46rem; margin: 3rem auto; padding: 0 1rem; }
  pre { padding: 1rem; overflow-x: auto; border: 1px solid; border-radius: 6px; }
  code { font: 14px/1.5 ui-monospace, monospace; }
`;

/** What the owner of a token sees: that it works, and how to go on. */
export function homePage(base: string, model: string): string {
  return documentOf(`
    <h1>Parley runs</h1>
    <p>This browser is signed in. New chats are answered by <code>${escape(model)}</code>.</p>
    <p>In a terminal, with the token from the address that the server printed:</p>
    <pre><code>export PARLEY_TOKEN=parley_…

# begin a chat
curl -s ${escape(base)}/api/v1/chats \\
  -H "Authorization: Bearer $PARLEY_TOKEN" -H "Content-Type: application/json" \\
  -d '{"content": "Hello! What can you do?"}'

# follow it: what is committed, then the reply as it is generated
curl -N ${escape(base)}/api/v1/chats/CHAT_ID/stream \\
  -H "Authorization: Bearer $PARLEY_TOKEN"

# say more
curl -s ${escape(base)}/api/v1/chats/CHAT_ID/messages \\
  -H "Authorization: Bearer $PARLEY_TOKEN" -H "Content-Type: application/json" \\
  -d '{"content": "Tell me more."}'</code></pre>
    <p>Or talk in the terminal: <code>npm run parley -- chat</code>.
      The whole API: <a href="/api/v1/openapi.json">OpenAPI document</a>.</p>`);
}

/** What everybody else sees. */
export function strangerPage(): string {
  return documentOf(`
    <h1>Parley runs</h1>
    <p>To sign in, open the address that the server printed when it started: it ends in <code>?token=…</code>.</p>`);
}

function documentOf(body: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Parley</title>
    <style>${style}</style>
  </head>
  <body>${body}
  </body>
</html>
`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
