/* What the CDK's command line runs. A mistake is told in a sentence: a stack trace would be about this program and not about it. */
import { makeApp } from "../lib/app.ts";

try {
  makeApp().synth();
} catch (error) {
  console.error(`infra: ${(error as Error).message}`);
  process.exit(1);
}
