/* What must hold for both stacks, looked up in the templates; the whole of them as snapshots (NS_UPDATE=1 writes these anew); and
 * the findings of cdk-nag, of which there must be none. */
import { App, Stack, Validations } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import * as s3 from "aws-cdk-lib/aws-s3";
import { AwsSolutionsChecks } from "cdk-nag";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { LOGGED } from "../lib/alarms.ts";
import { STACKS, type Stage } from "../lib/settings.ts";
import { KEY_ARN, makePlace, policyText, synthesize, type Synthesis } from "./stand-ins.ts";

const place = makePlace();
const intel = makePlace("x86_64");
after(() => [place, intel].forEach((each) => each.remove()));
const none = { policies: join(place.folder, "none") };
const stages = Object.keys(STACKS) as Stage[];
for (const stage of stages) place.write(`policies/${STACKS[stage]}.txt`, policyText(stage));

const made: Record<string, Synthesis> = {
  dev: synthesize(place, "dev"),
  prod: synthesize(place, "prod"),
  "prod-before-policy": synthesize(place, "prod", none),
};
const templates = Object.entries(made).map(([name, { template }]) => [name, template] as const);

interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, unknown>;
  readonly DeletionPolicy?: string;
}
const resources = (template: Template) => template.toJSON().Resources as Record<string, Resource>;
const ofType = (template: Template, type: string) => Object.values(resources(template)).filter((each) => each.Type === type);

function findings(directory: string): string[] {
  const report = JSON.parse(readFileSync(join(directory, "validation-report.json"), "utf8")) as {
    pluginReports: { violations?: { ruleName: string }[] }[];
  };
  return report.pluginReports.flatMap((plugin) => (plugin.violations ?? []).map((violation) => violation.ruleName));
}

describe("cdk-nag and CloudFormation's schemas", () => {
  for (const stage of [...stages, "prod-before-policy"]) {
    it(`find nothing in ${stage}`, () => {
      const one = stage === "prod-before-policy" ? synthesize(place, "prod", none) : synthesize(place, stage as Stage);
      assert.deepEqual(findings(one.assembly), []);
    });
  }
  it("would find something", () => {
    const app = new App({ outdir: join(place.folder, "bad") });
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    new s3.Bucket(new Stack(app, "Bad"), "Bucket");
    assert.throws(() => app.synth(), /Validation failed/);
    assert.ok(findings(join(place.folder, "bad")).includes("AwsSolutions-S1"));
  });
});

describe("snapshots", () => {
  for (const [name, template] of templates) {
    it(`of ${name}`, () => {
      const path = fileURLToPath(new URL(`snapshots/${name}.json`, import.meta.url));
      /* What assets hash to depends on the version of zlib and on file modes. */
      const text = `${JSON.stringify(template.toJSON(), null, 1).replace(/\b[0-9a-f]{64}(?=\.|\b)/g, "HASH")}\n`;
      if (process.env.NS_UPDATE) writeFileSync(path, text);
      assert.equal(text, readFileSync(path, "utf8"), `${path} is another: NS_UPDATE=1 make infra-test writes it anew; look at the difference`);
    });
  }
});

for (const [name, template] of templates) {
  describe(`the stack ${name}`, () => {
    const instances = name === "prod-before-policy" ? "0" : "2";

    it(`has ${instances} instances in private subnets of two zones`, () => {
      const [group] = ofType(template, "AWS::AutoScaling::AutoScalingGroup");
      assert.equal(group?.Properties.MinSize, instances);
      assert.equal(group?.Properties.MaxSize, instances);
      assert.equal((group?.Properties.VPCZoneIdentifier as unknown[]).length, 2);
      const zones = ofType(template, "AWS::EC2::Subnet").map((subnet) => JSON.stringify(subnet.Properties.AvailabilityZone));
      assert.equal(new Set(zones).size, 2);
      for (const subnet of ofType(template, "AWS::EC2::Subnet")) assert.equal(subnet.Properties.MapPublicIpOnLaunch, false);
      for (const type of ["AWS::EC2::InternetGateway", "AWS::EC2::NatGateway"]) template.resourceCountIs(type, 0);
    });

    it("starts no instance before its network, its rights and the key's policy are there", () => {
      const group = ofType(template, "AWS::AutoScaling::AutoScalingGroup")[0] as unknown as { DependsOn: string[] };
      const before = ["AWS::EC2::VPCEndpoint", "AWS::EC2::SubnetRouteTableAssociation", "AWS::KMS::Key"];
      const wanted = Object.entries(resources(template)).filter(([, { Type }]) => before.includes(Type)).map(([id]) => id);
      assert.ok(wanted.length >= 11);
      for (const id of wanted) assert.ok(group.DependsOn.includes(id), id);
    });

    it("has instances with enclaves, IMDSv2 alone, and an encrypted disk", () => {
      template.hasResourceProperties("AWS::EC2::LaunchTemplate", {
        LaunchTemplateData: {
          EnclaveOptions: { Enabled: true },
          InstanceType: "c7g.large",
          MetadataOptions: { HttpTokens: "required", HttpPutResponseHopLimit: 1, HttpEndpoint: "enabled" },
          BlockDeviceMappings: [{ Ebs: { Encrypted: true, VolumeType: "gp3" } }],
          KeyName: Match.absent(),
        },
      });
    });

    it("reaches the services that it calls, and no others", () => {
      const names = ofType(template, "AWS::EC2::VPCEndpoint").map((each) => {
        const service = each.Properties.ServiceName;
        return (typeof service === "string" ? service : JSON.stringify(service)).replace(/.*(com\.amazonaws\.|"\.)/, "").replace(/[^a-z0-9.-]|us-east-1\.?/g, "");
      });
      assert.deepEqual(names.sort(), ["dynamodb", "ecr.api", "ecr.dkr", "kms", "logs", "s3", "ssm", "ssmmessages"]);
      const zonesOf = (service: string) => ofType(template, "AWS::EC2::VPCEndpoint")
        .filter((each) => JSON.stringify(each.Properties.ServiceName).includes(service))
        .map((each) => (each.Properties.SubnetIds as unknown[]).length);
      assert.deepEqual(zonesOf(".kms"), [2]);
      assert.deepEqual(zonesOf(".logs"), [1]);
    });

    it("lets in validator clients at the load balancer, and the load balancer at the signers", () => {
      const open = ofType(template, "AWS::EC2::SecurityGroup").flatMap((group) => (group.Properties.SecurityGroupIngress ?? []) as Record<string, unknown>[]);
      for (const rule of open) {
        assert.equal(rule.CidrIp, "10.0.0.0/20");
        assert.equal(rule.FromPort, 443);
        assert.equal(rule.ToPort, 443);
      }
      template.resourceCountIs("AWS::EC2::SecurityGroupIngress", 1);
      template.hasResourceProperties("AWS::EC2::SecurityGroupIngress", { FromPort: 8443, ToPort: 8443, IpProtocol: "tcp" });
    });

    it("passes TCP 443 on to 8443 inside the network, across zones, where /upcheck answers", () => {
      template.hasResourceProperties("AWS::ElasticLoadBalancingV2::LoadBalancer", {
        Scheme: "internal", Type: "network",
        LoadBalancerAttributes: Match.arrayWith([{ Key: "load_balancing.cross_zone.enabled", Value: "true" }]),
      });
      template.hasResourceProperties("AWS::ElasticLoadBalancingV2::Listener", { Port: 443, Protocol: "TCP" });
      template.hasResourceProperties("AWS::ElasticLoadBalancingV2::TargetGroup", {
        Port: 8443, Protocol: "TCP", HealthCheckProtocol: "HTTPS", HealthCheckPath: "/upcheck", HealthCheckIntervalSeconds: 10,
        Matcher: { HttpCode: "200" },
      });
      const stack = name === "dev" ? STACKS.dev : STACKS.prod;
      template.hasResourceProperties("AWS::Route53::HostedZone", { Name: `${stack}.private.`, VPCs: Match.anyValue() });
      template.hasResourceProperties("AWS::Route53::RecordSet", { Name: `signer.${stack}.private.`, Type: "A" });
    });

    it("keeps its tables and its key, whatever happens to the stack", () => {
      const tables = ofType(template, "AWS::DynamoDB::Table");
      assert.deepEqual(tables.map((table) => (table.Properties.KeySchema as { AttributeName: string }[]).map((key) => key.AttributeName)).sort(),
        [["key_id"], ["pk"], ["web3signer_uuid", "pubkey"]]);
      for (const table of tables) {
        assert.equal(table.DeletionPolicy, "Retain");
        assert.equal(table.Properties.DeletionProtectionEnabled, true);
        assert.deepEqual(table.Properties.PointInTimeRecoverySpecification, { PointInTimeRecoveryEnabled: true });
      }
      const [key] = ofType(template, "AWS::KMS::Key");
      assert.equal(key?.DeletionPolicy, "Retain");
      assert.equal(key?.Properties.EnableKeyRotation, true);
    });

    it("gives no role a wildcard action, a managed policy, or the key's administration", () => {
      for (const role of ofType(template, "AWS::IAM::Role")) assert.equal(role.Properties.ManagedPolicyArns, undefined);
      for (const policy of ofType(template, "AWS::IAM::Policy")) {
        const { Statement } = policy.Properties.PolicyDocument as { Statement: { Action: string | string[] }[] };
        for (const action of Statement.flatMap((each) => each.Action)) {
          assert.ok(!action.includes("*"), action);
          assert.ok(!/^kms:(?!Decrypt$|Encrypt$|GenerateDataKeyPair$)/.test(action), action);
          assert.ok(!/^(iam|sts|ssm:(Put|Send)|lambda|dynamodb:(Delete|Update))/.test(action), action);
        }
      }
    });

    it("lets the Lambda function decrypt in development only", () => {
      const [policy] = Object.entries(resources(template)).filter(([id]) => id.startsWith("LambdaPolicy")).map(([, each]) => each);
      assert.equal(JSON.stringify(policy?.Properties.PolicyDocument).includes("kms:Decrypt"), name === "dev");
    });

    it("lets the Lambda function reach the table of TLS keys only", () => {
      const outputs = template.toJSON().Outputs as Record<string, { Value: { Ref: string } }>;
      const role = outputs.LambdaExecutionArn?.Value as unknown as { "Fn::GetAtt": [string, string] };
      const policies = ofType(template, "AWS::IAM::Policy")
        .filter((each) => (each.Properties.Roles as { Ref: string }[]).some(({ Ref }) => Ref === role["Fn::GetAtt"][0]));
      const statements = policies.flatMap((each) =>
        (each.Properties.PolicyDocument as { Statement: { Action: string | string[]; Resource: unknown }[] }).Statement);
      const ofTables = statements.filter(({ Action }) => [Action].flat().some((action) => action === "*" || action.startsWith("dynamodb:")));
      assert.ok(ofTables.length > 0);
      for (const { Resource } of ofTables)
        assert.deepEqual([Resource].flat(), [{ "Fn::GetAtt": [outputs.TLSKeysTableName?.Value.Ref, "Arn"] }]);
    });

    it("starts with the init flag down", () => {
      template.hasResourceProperties("AWS::SSM::Parameter", { Value: "false", Type: "String" });
    });

    it("tells what the tools look for", () => {
      const outputs = Object.keys(template.toJSON().Outputs as object);
      for (const output of [
        "EC2InstanceRoleARN", "LambdaFunctionArn", "LambdaExecutionArn", "ASGGroupName", "KMSKeyARN", "ValidatorKeysTableName",
        "TLSKeysTableName", "SignerELBFQDN", "Web3SignerInitFlagParamName", "SlashingProtectionTableName", "Web3SignerUUID", "SystemLogGroupName",
      ]) assert.ok(outputs.includes(output), output);
    });

    it("tells its hosts what they are", () => {
      const text = JSON.stringify(ofType(template, "AWS::EC2::LaunchTemplate")[0]?.Properties).replaceAll("\\n", "\n");
      const names = [...text.matchAll(/NITRO_SIGNER_([A-Z_]+)=/g)].map((match) => match[1]);
      assert.deepEqual(names, [
        "STACK", "REGION", "STACK_UUID", "VALIDATOR_TABLE", "TLS_TABLE", "INIT_FLAG", "IMAGE", "ENCLAVE_CPUS", "ENCLAVE_MEMORY", "DEBUG_MODE", "LOG_GROUP",
      ]);
      assert.ok(text.includes(`NITRO_SIGNER_DEBUG_MODE=${name === "dev"}`));
      assert.match(text, /@sha256:[0-9a-f]{64}\nNITRO_SIGNER_ENCLAVE_CPUS=1/);
      assert.equal(text.includes("/etc/nitro-signer/policy.txt"), name !== "prod-before-policy");
    });

    it("has alarms for the words that the programs log", () => {
      const sources = ["src/watchdog/main.c", "src/watchdog/watchdog_tables.c", "src/front/front_sign.c", "src/front/front_answer.c"]
        .map((path) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8")).join("\n").replace(/"\s*\n\s*"/g, "");
      for (const { words } of LOGGED) {
        assert.ok(sources.includes(words), `no source logs: ${words}`);
        template.hasResourceProperties("AWS::Logs::MetricFilter", { FilterPattern: `"${words}"` });
      }
      template.resourceCountIs("AWS::CloudWatch::Alarm", LOGGED.length + (name === "prod-before-policy" ? 1 : 4));
    });
  });
}

describe("context", () => {
  it("-c nat=true brings a NAT gateway and takes the interface endpoints away", () => {
    const { template } = synthesize(place, "prod", { nat: "true" });
    template.resourceCountIs("AWS::EC2::NatGateway", 1);
    assert.equal(ofType(template, "AWS::EC2::VPCEndpoint").length, 2);
  });
  it("-c zones=... says in which zones everything is", () => {
    const { template } = synthesize(place, "prod", { zones: "us-east-1c,us-east-1d" });
    const zones = ofType(template, "AWS::EC2::Subnet").map((subnet) => subnet.Properties.AvailabilityZone);
    assert.deepEqual(zones, ["us-east-1c", "us-east-1d"]);
  });
  it("takes Graviton throughout, and with -c architecture=x86_64 the other", () => {
    for (const [each, type, architecture] of [[place, "c7g.large", "arm64"], [intel, "c6a.xlarge", "x86_64"]] as const) {
      const { template } = synthesize(each, "prod");
      template.hasResourceProperties("AWS::EC2::LaunchTemplate", { LaunchTemplateData: { InstanceType: type } });
      template.hasResourceProperties("AWS::Lambda::Function", { Architectures: [architecture] });
      assert.ok(JSON.stringify(template.toJSON().Parameters).includes(`-${architecture}`));
    }
  });
  it("imports a key and tables, and then makes none", () => {
    const table = (name: string) => `arn:aws:dynamodb:us-east-1:123456789012:table/${name}`;
    const other = policyText("prod", { store: "dynamodb:123456789012/shared" });
    const { template } = synthesize(makeOther(other), "prod", {
      kms_arn: KEY_ARN, validator_key_table_arn: table("keys"), slashing_protection_table_arn: table("shared"),
    });
    template.resourceCountIs("AWS::KMS::Key", 0);
    template.resourceCountIs("AWS::DynamoDB::Table", 1);
    template.hasOutput("KMSKeyARN", { Value: KEY_ARN });
    template.hasOutput("SlashingProtectionTableName", { Value: "shared" });
  });
  it("admits clients' networks, endpoint zones and an alarm's topic", () => {
    const topic = "arn:aws:sns:us-east-1:123456789012:wake";
    const { template } = synthesize(place, "prod", { client_cidrs: "10.1.0.0/16,10.2.0.0/16", endpoint_zones: "2", alarm_topic_arn: topic });
    const ranges = ofType(template, "AWS::EC2::SecurityGroup")
      .flatMap((group) => ((group.Properties.SecurityGroupIngress ?? []) as { CidrIp: string }[]).map((rule) => rule.CidrIp));
    for (const range of ["10.1.0.0/16", "10.2.0.0/16"]) assert.ok(ranges.includes(range), range);
    for (const alarm of ofType(template, "AWS::CloudWatch::Alarm")) assert.deepEqual(alarm.Properties.AlarmActions, [topic]);
  });
  it("looks at the port alone where clients need certificates", () => {
    const access = "nitro-signer-access 1\nclient one 00\n";
    const digest = createHash("sha256").update(access).digest("hex");
    const other = makeOther(policyText("prod", { access: `0x${digest}` }));
    other.write("policies/prodNitroValidator.access.txt", access);
    const { template } = synthesize(other, "prod");
    template.hasResourceProperties("AWS::ElasticLoadBalancingV2::TargetGroup", {
      HealthCheckProtocol: "TCP", HealthCheckIntervalSeconds: 10, HealthCheckTimeoutSeconds: 6,
    });
    assert.ok(JSON.stringify(template.toJSON()).includes("/etc/nitro-signer/access.txt"));
  });
});

function makeOther(policy: string) {
  const other = makePlace();
  other.write("policies/prodNitroValidator.txt", policy);
  after(() => other.remove());
  return other;
}
