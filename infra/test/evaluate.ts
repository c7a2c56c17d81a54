/* Decides a request by a key policy as IAM does: a Deny that matches wins, then an Allow, else no. It knows what the policies here use and fails
 * on everything else, so that a statement it does not understand cannot pass for one without effect. Principals of the
 * account's root stand for whoever has an IAM policy, which a request says with iam: true. */
export interface Request {
  readonly principal: string;
  readonly action: string;
  /** Whether an IAM policy of the principal allows it; delegation by the root principal needs that. */
  readonly iam: boolean;
  /** Registers of a valid attestation document, if the request has one. */
  readonly attested?: Readonly<Record<string, string>>;
}

type Texts = string | readonly string[];
interface Statement {
  readonly Effect: "Allow" | "Deny";
  readonly Principal: "*" | { readonly AWS: Texts };
  readonly Action: Texts;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, Texts>>>>;
}
export interface Policy {
  readonly Statement: readonly Statement[];
}

function list(texts: Texts): readonly string[] {
  return typeof texts === "string" ? [texts] : texts;
}

function principalMatches(statement: Statement, request: Request): boolean {
  const names = statement.Principal === "*" ? ["*"] : list(statement.Principal.AWS);
  return names.some((name) => name === "*" || name === request.principal || (name.endsWith(":root") && request.iam));
}

function actionMatches(statement: Statement, action: string): boolean {
  return list(statement.Action).some((each) => (each.endsWith("*") ? action.startsWith(each.slice(0, -1)) : each === action));
}

function found(key: string, request: Request): string | undefined {
  if (key === "aws:PrincipalArn") return request.principal;
  const register = /^kms:RecipientAttestation:(\w+)$/.exec(key)?.[1];
  if (!register) throw new Error(`condition key ${key}`);
  return request.attested?.[register];
}

function conditionsMatch(statement: Statement, request: Request): boolean {
  return Object.entries(statement.Condition ?? {}).every(([operator, keys]) =>
    Object.entries(keys).every(([key, wanted]) => {
      const value = found(key, request)?.toLowerCase();
      const equal = value !== undefined && list(wanted).some((each) => each.toLowerCase() === value);
      if (operator === "StringEqualsIgnoreCase") return equal;
      if (operator === "StringNotEqualsIgnoreCase" || operator === "ArnNotEquals") return !equal;
      throw new Error(`condition operator ${operator}`);
    }),
  );
}

export function isAllowed(policy: Policy, request: Request): boolean {
  const matching = policy.Statement.filter((each) =>
    principalMatches(each, request) && actionMatches(each, request.action) && conditionsMatch(each, request));
  return matching.some((each) => each.Effect === "Allow") && !matching.some((each) => each.Effect === "Deny");
}
