/* Finds the built programs; where there are none, tests that need them are skipped and say so. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export function tool(name: string): { path: string; skip: string | false } {
  const folder = process.env.NS_BIN_DIR ?? fileURLToPath(new URL("../../build/bin", import.meta.url));
  const path = join(folder, name);
  return { path, skip: existsSync(path) ? false : `${name} is not built` };
}
