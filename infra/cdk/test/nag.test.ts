/** AwsSolutions of cdk-nag, over everything this library can make: what is left are choices of the app. */
import { App, type AppProps, Stack, Validations } from 'aws-cdk-lib';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { CURRENTLY_RECOMMENDED_FLAGS } from 'aws-cdk-lib/cx-api';
import { AwsSolutionsChecks } from 'cdk-nag';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CognitoTriggers, type CognitoTriggersProps } from '../lib';
import { folder, HERE, programs } from './house';

const FULL: CognitoTriggersProps = {
  rules: {
    domainAllowList: { allow: ['example.com'] },
    uniqueNickname: {},
    passwordAge: { maxDays: 90, action: 'reset' },
    sessionLimit: { max: 3 },
    s3Provisioning: { copyFrom: 'new-user/' },
    userEvents: {},
    winBack: { afterDays: 30 },
    templatedMessage: {},
    maintenance: {},
  },
  mail: { from: 'Acme <hello@acme.example>', makeIdentity: true },
  poolMail: true,
  trail: true,
  code: programs,
};

interface Report {
  readonly pluginReports: readonly {
    violations: readonly { ruleName: string; violatingConstructs: readonly { constructPath: string }[] }[];
  }[];
}

/** The rules of AwsSolutions that something breaks, each with what does. */
function found(props: CognitoTriggersProps, context?: AppProps['context']): string[] {
  const outdir = folder();
  const app = new App({ outdir, context });
  const stack = new Stack(app, 'Acme', { env: HERE });
  const alarmTopic = Topic.fromTopicArn(stack, 'Topic', `arn:aws:sns:eu-central-1:${HERE.account}:alarms`);
  new CognitoTriggers(stack, 'Triggers', { ...props, alarmTopic });
  Validations.of(app).addPlugins(new AwsSolutionsChecks());
  // What is found is told to people there.
  const { error } = console;
  console.error = () => undefined;
  try {
    assert.throws(() => app.synth(), /Validation failed/);
  } finally {
    console.error = error;
  }
  const { pluginReports } = JSON.parse(readFileSync(join(outdir, 'validation-report.json'), 'utf8')) as Report;
  const violations = pluginReports.flatMap((report) => report.violations);
  return violations
    .flatMap(({ ruleName, violatingConstructs }) =>
      violatingConstructs.map(({ constructPath }) => `${ruleName} ${constructPath}`),
    )
    .sort();
}

const CHOICES = [
  'AwsSolutions-COG2 Acme/Triggers/UserPool/Resource',
  'AwsSolutions-COG8 Acme/Triggers/UserPool/Resource',
  'AwsSolutions-S1 Acme/Triggers/Files/Resource',
];

for (const layout of ['one', 'each'] as const) {
  test(`with the layout ${layout} nothing is found but what an app decides`, () => {
    assert.deepEqual(found({ ...FULL, layout }), CHOICES);
  });
}

test('the same with the feature flags of a new app', () => {
  assert.deepEqual(found(FULL, CURRENTLY_RECOMMENDED_FLAGS), CHOICES);
});
