/* The three tables. All outlive the stack: ciphertexts may be the only copy of a key, and a protection record that is gone
 * is a slashing that is possible. They are encrypted at rest with DynamoDB's own key: a customer's key would be one more caller of KMS on
 * the way of every signature, and what is in them is sealed anyway. */
import { RemovalPolicy } from "aws-cdk-lib";
import * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import { Construct } from "constructs";
import type { Settings } from "./settings.ts";

const { STRING, NUMBER } = dynamodb.AttributeType;

const SAFE = {
  billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
  pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
  deletionProtection: true,
  removalPolicy: RemovalPolicy.RETAIN,
} as const;

export class Tables extends Construct {
  readonly validatorKeys: dynamodb.ITable;
  readonly tlsKeys: dynamodb.ITable;
  readonly slashingProtection: dynamodb.ITable;

  constructor(scope: Construct, id: string, settings: Settings) {
    super(scope, id);
    /* PROTOCOL.control section 10. */
    this.validatorKeys = settings.validatorKeyTableArn
      ? dynamodb.Table.fromTableArn(this, "ValidatorKeys", settings.validatorKeyTableArn)
      : new dynamodb.Table(this, "ValidatorKeys", {
          ...SAFE,
          partitionKey: { name: "web3signer_uuid", type: STRING },
          sortKey: { name: "pubkey", type: STRING },
        });
    this.tlsKeys = new dynamodb.Table(this, "TlsKeys", { ...SAFE, partitionKey: { name: "key_id", type: NUMBER } });
    /* Its name is fixed, because the policy document has it before there is a stack. The key is that of
     * lib/slashing/slashing_dynamodb_table.c. */
    this.slashingProtection = settings.slashingTableArn
      ? dynamodb.Table.fromTableArn(this, "SlashingProtection", settings.slashingTableArn)
      : new dynamodb.Table(this, "SlashingProtection", {
          ...SAFE,
          tableName: settings.slashingTableName,
          partitionKey: { name: "pk", type: STRING },
        });
  }
}
