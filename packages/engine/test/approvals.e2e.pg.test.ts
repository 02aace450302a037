import { expect, test } from "vitest";
import { settled } from "./follow.ts";
import { expectEqualToDatabase, expectSoundStream, onlooker } from "./onlooker.ts";
import { rigOf } from "./rig.ts";

test("an approval outlives the server that asked for it (C35): the first decision counts, by any client", async (context) => {
  const rig = await rigOf(context, { env: { PARLEY_APPROVAL_DEADLINE_SECONDS: "3600" } });
  const { chat } = await rig.client.createChat({
    content: 'call send_email {"to": "bob@example.com"}',
    model: "demo/fast",
  });
  const screen = onlooker(rig.client, chat.id);
  context.onTestFinished(async () => await screen.close());
  await screen.until("the call waits", ({ actions }) => actions !== null);
  const asked = screen.transcript.actions;
  expect(asked?.actions).toMatchObject([
    { kind: "approval", tool_name: "send_email", may_decide: [chat.owner_id] },
  ]);
  await rig.kill();
  await rig.restart();

  const id = asked?.actions[0]?.tool_call_id ?? "";
  const approve = [{ tool_call_id: id, decision: "approve" as const }];
  const decided = await rig.client.decideApprovals(chat.id, approve);
  expect(decided.status).toBe("running");
  await screen.until("the turn is over", (t) => settled(t) && t.messages.length === 4);
  expect((await rig.client.decideApprovals(chat.id, approve)).status).toBe("waiting");
  const denial = [{ tool_call_id: id, decision: "deny" as const }];
  await expect(rig.client.decideApprovals(chat.id, denial)).rejects.toMatchObject({
    status: 409,
    code: "tool_result_mismatch",
  });

  const messages = await expectEqualToDatabase(rig.client, chat.id, screen);
  expect(messages[2]?.parts).toMatchObject([
    {
      tool_name: "send_email",
      is_error: false,
      output: { pretended: true, to: "bob@example.com" },
    },
  ]);
  expectSoundStream(screen.events);
  const [row] = await rig.sql<{ seconds: number; decided_by: string }>(
    `select deadline_ms / 1000 as seconds, decided_by from parley.tool_executions`,
  );
  expect(row).toEqual({ seconds: 3600, decided_by: chat.owner_id });
});
