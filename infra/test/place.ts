/* For tests in other languages: a folder of stand-ins, told as JSON, and texts of policy documents;
 * whoever asks removes the folder. */
import { makePlace, policyText } from "./stand-ins.ts";
import { STACKS, type Stage } from "../lib/settings.ts";

const { folder, context, pcr0 } = makePlace();
console.log(JSON.stringify({
  folder, context, pcr0, policies: Object.fromEntries((Object.keys(STACKS) as Stage[]).map((stage) => [STACKS[stage], policyText(stage)])),
}));
