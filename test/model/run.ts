/** `npm run model [-- --long]`: checks the models of `docs/model`, and that each of their mutations fails. */
import { modelChecker } from "../services.ts";
import { checks, longChecks, mutations, nameOf, runCheck } from "./checks.ts";

if (modelChecker() === undefined) {
  console.error(
    "NOT CHECKED: there is no spin or no gcc here. Debian: apt-get install spin gcc libc6-dev",
  );
  process.exit(process.env["CI"] === "true" ? 1 : 0);
}

const long = process.argv.includes("--long");
let wrong = 0;
for (const check of [...checks, ...(long ? longChecks : []), ...mutations]) {
  const { complaint, states, transitions, seconds } = runCheck(check);
  const expected = check.complaint;
  const ok =
    expected === undefined ? complaint === undefined : complaint?.includes(expected) === true;
  if (!ok) wrong += 1;
  const figures = `${states} states, ${transitions} transitions, ${seconds.toFixed(1)} s`;
  const found = complaint === undefined ? "no error" : `found: ${complaint}`;
  console.log(
    `${ok ? "ok    " : "FAILED"} ${nameOf(check).padEnd(44)} ${figures.padEnd(52)} ${found}`,
  );
}
console.log(wrong === 0 ? "all as expected" : `${wrong} not as expected`);
process.exitCode = wrong === 0 ? 0 : 1;
