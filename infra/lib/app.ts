/* The app for tests and for bin/app.ts alike, with the checks of cdk-nag: a finding without an answer fails the synthesis. */
import { App, Validations, type AppProps } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { fileURLToPath } from "node:url";
import { readSettings, refuseUnknownContext, STACKS, type Stage } from "./settings.ts";
import { NitroValidatorStack } from "./stack.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

function chosenStages(name: unknown): Stage[] {
  const all = Object.keys(STACKS) as Stage[];
  const chosen = name === undefined ? all : all.filter((stage) => STACKS[stage] === name);
  if (chosen.length === 0) throw new Error(`-c stack=${String(name)}: must be ${Object.values(STACKS).join(" or ")}`);
  return chosen;
}

/** Every stack, or the one that the context names. */
export function makeApp(props: AppProps = {}): App {
  const app = new App(props);
  refuseUnknownContext(app.node);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  for (const stage of chosenStages(app.node.tryGetContext("stack"))) {
    new NitroValidatorStack(app, readSettings(app.node, ROOT, stage));
  }
  return app;
}
