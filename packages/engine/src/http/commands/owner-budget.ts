import type { OwnerBudgetAnswer, SetBudget } from "@parley/protocol";
import { limitOf, shownBudget } from "../../domain/spending.ts";
import { readOwnerBudget, setOwnerBudget } from "../../store/spending.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { Forbidden, NotFound } from "../errors.ts";
import { isUuid } from "../uuid.ts";

/** What an owner may spend: for administrators, and for the owner to look at. @throws NotFound, Forbidden */
export async function ownerBudgetCommand(
  context: HttpContext,
  caller: Caller,
  ownerId: string,
): Promise<OwnerBudgetAnswer> {
  const id = ownerId.toLowerCase();
  // Who else is here is nobody's business.
  if (!isUuid(id) || (!caller.isAdmin && caller.principalId !== id)) throw noSuchOwner();
  return await context.machine.read(async (tx) => {
    const row = await readOwnerBudget(tx, id, context.spending);
    if (row === undefined) throw noSuchOwner();
    return { owner_id: row.owner_id, budget: shownBudget(row.budget), standing: row.standing };
  }, "http.owner_budget");
}

/** @throws NotFound, Forbidden */
export async function setOwnerBudgetCommand(
  context: HttpContext,
  caller: Caller,
  ownerId: string,
  { budget }: SetBudget,
): Promise<OwnerBudgetAnswer> {
  if (!caller.isAdmin) throw new Forbidden("Budgets of owners are set by administrators.");
  const id = ownerId.toLowerCase();
  const isSet =
    isUuid(id) &&
    (await context.database.write((tx) => setOwnerBudget(tx, id, budget && limitOf(budget)), {
      operation: "http.set_owner_budget",
    }));
  if (!isSet) throw noSuchOwner();
  return await ownerBudgetCommand(context, caller, id);
}

function noSuchOwner(): NotFound {
  return new NotFound("There is no such owner.");
}
