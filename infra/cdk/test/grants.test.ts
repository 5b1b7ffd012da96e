/** Roles: what is declared for the settings, and nothing else. */
import { CURRENTLY_RECOMMENDED_FLAGS } from 'aws-cdk-lib/cx-api';
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CognitoTriggersProps, Rules } from '../lib';
import { TABLES } from '../lib/facts';
import { asked, KNOWN, USUAL } from '../lib/triggers';
import { Configuration } from '../lib/configuration';
import { actions, allowed, folder, made } from './house';

/** The triggers each rule names in the Rust code, if this is a clone of the repository. */
const GRANTS = join(process.env['TRIGGERS_CDK'] ?? join(__dirname, '../..'), '../grants.json');
const ofRust = existsSync(GRANTS)
  ? (JSON.parse(readFileSync(GRANTS, 'utf8')) as { triggers: Record<string, string[]> }).triggers
  : undefined;

const MAIL = { from: 'Acme <hello@acme.example>' };

/** Every rule, with everything on that makes a difference to what it needs or where it is asked. */
const EVERYTHING: Rules = {
  domainAllowList: { allow: ['example.com'], atSignIn: true },
  accessCode: { invitations: true },
  uniqueNickname: { policy: 'reject' },
  maintenance: { exemptGroups: ['staff'] },
  passwordAge: { maxDays: 90, action: 'reset' },
  sessionLimit: { max: 3, policy: 'sign-out-others' },
  s3Provisioning: { copyFrom: 'templates/new-user/', onboardSince: '2026-01-01' },
  welcomeEmail: { from: 'news@news.acme.example', onboardSince: '2026-01-01' },
  adminNotice: { to: 'ops@acme.example', onboardSince: '2026-01-01' },
  userEvents: { onboardSince: '2026-01-01' },
  signInCount: {},
  signInAlert: { notMeLinkDays: 7 },
  winBack: { afterDays: 30 },
  templatedMessage: { email: false },
  links: { administrators: ['ops@acme.example'] },
};

/** Configurations in which something else is needed or asked each time. */
const CASES: Readonly<Record<string, Partial<CognitoTriggersProps> & { rules: Rules }>> = {
  everything: { rules: EVERYTHING, mail: MAIL },
  'nothing but domains': { rules: { domainAllowList: { allow: ['example.com'] } } },
  'nothing inline': { rules: { ...EVERYTHING, userEvents: { delivery: 'inline' } }, mail: MAIL, delivery: 'deferred' },
  'settings switched off': {
    rules: {
      accessCode: { invitations: false, codes: ['sesame'] },
      maintenance: {
        switch: false,
        windows: [{ from: '2026-12-24T22:00:00+01:00', until: '2026-12-25T02:00:00+01:00' }],
      },
      passwordAge: { maxDays: 90, warnDays: 0, early: true },
      sessionLimit: { max: 3, keep: 'at-sign-in', early: true },
      s3Provisioning: {
        copyFrom: 'templates/',
        prefix: 'files/{{ sub }}/',
        atSignIn: false,
        onboardSince: '2026-01-01',
      },
      userEvents: { events: ['user.confirmed'], atSignIn: false },
      uniqueNickname: { atSignIn: false },
    },
  },
  'events of sign-ins': { rules: { userEvents: { events: ['user.signed_in'], atSignIn: false } } },
  'a digest': { rules: { adminNotice: { to: ['ops@acme.example'], digest: 'day' } }, mail: MAIL },
  'a claim': { rules: { sessionLimit: { max: 3, claim: 'session_id' } } },
  'a pool with more': {
    rules: { sessionLimit: { max: 3 }, signInCount: { off: true } },
    pools: { 'eu-central-1_Globex': { sessionLimit: { policy: 'sign-out-others' }, signInCount: { off: false } } },
  },
};

test('the role of the function may do what its rules do', () => {
  const { template } = made({ rules: EVERYTHING, mail: MAIL });
  assert.deepEqual(actions(template, 'Pool'), {
    LedgerTable: [
      'dynamodb:BatchGetItem',
      'dynamodb:BatchWriteItem',
      'dynamodb:ConditionCheckItem',
      'dynamodb:DeleteItem',
      'dynamodb:PutItem',
      'dynamodb:UpdateItem',
    ],
    SenderIdentity: ['ses:SendRawEmail'],
    ConfigurationSet: ['ses:SendRawEmail'],
    UserObjects: ['s3:PutObject'],
    TemplateObjects: ['s3:GetObject'],
    Bucket: ['s3:ListBucket'],
    EventBus: ['events:DescribeEventBus', 'events:PutEvents'],
    UserPool: [
      'cognito-idp:AdminGetUser',
      'cognito-idp:AdminResetUserPassword',
      'cognito-idp:AdminUpdateUserAttributes',
      'cognito-idp:AdminUserGlobalSignOut',
    ],
  });
});

test('no role has a wildcard for an action, nor for all resources', () => {
  for (const layout of ['one', 'each'] as const) {
    const { template } = made({ rules: EVERYTHING, mail: MAIL, layout });
    const policies = Object.values(template.findResources('AWS::IAM::Policy')) as {
      Properties: { PolicyDocument: { Statement: { Action: unknown; Resource: unknown }[] } };
    }[];
    const statements = policies.flatMap((policy) => policy.Properties.PolicyDocument.Statement);
    assert(statements.length > 10);
    for (const statement of statements) {
      assert(!JSON.stringify(statement.Action).includes('*'), JSON.stringify(statement));
      assert.notEqual(statement.Resource, '*');
    }
  }
});

test('the feature flags of a new app change nothing about roles', () => {
  const context = CURRENTLY_RECOMMENDED_FLAGS;
  for (const name of ['Pool', 'Courier', 'Links', 'SessionRelease']) {
    const usual = made({ rules: EVERYTHING, mail: MAIL }).template;
    assert.deepEqual(
      actions(made({ rules: EVERYTHING, mail: MAIL }, { context }).template, name),
      actions(usual, name),
    );
  }
});

test('a rule that needs nothing of AWS leaves a role that may write its log', () => {
  const { template } = made({ rules: { domainAllowList: { allow: ['example.com'] } } });
  assert.deepEqual(Object.keys(allowed(template, 'Pool')), ['OwnLog']);
});

test('with the layout each, every role has less', () => {
  const { template } = made({ rules: EVERYTHING, mail: MAIL, layout: 'each' });
  assert.deepEqual(actions(template, 'PreSignUp'), {
    LedgerTable: ['dynamodb:BatchGetItem', 'dynamodb:ConditionCheckItem', 'dynamodb:PutItem'],
  });
  assert.deepEqual(actions(template, 'PreAuthentication'), { LedgerTable: ['dynamodb:BatchGetItem'] });
  assert.deepEqual(actions(template, 'CustomMessage'), {});
  assert.deepEqual(Object.keys(actions(template, 'PostConfirmation')), [
    'LedgerTable',
    'SenderIdentity',
    'ConfigurationSet',
    'UserObjects',
    'TemplateObjects',
    'Bucket',
    'EventBus',
    'UserPool',
  ]);
  assert.deepEqual(actions(template, 'PostConfirmation')['UserPool'], ['cognito-idp:AdminUpdateUserAttributes']);
  assert.deepEqual(actions(template, 'PostAuthentication')['UserPool'], [
    'cognito-idp:AdminGetUser',
    'cognito-idp:AdminResetUserPassword',
    'cognito-idp:AdminUserGlobalSignOut',
  ]);
  assert.equal(actions(template, 'PreTokenGeneration')['UserPool'], undefined);
});

test('every rule of the schema is known to some trigger', () => {
  assert.deepEqual([...KNOWN].sort(), Object.keys(TABLES).sort());
});

test('the configurations tried here ask every rule wherever it may be asked', { skip: ofRust === undefined }, () => {
  const tried: Record<string, Set<string>> = {};
  for (const props of Object.values(CASES)) {
    for (const [trigger, chain] of asked(new Configuration(props))) {
      for (const rule of chain.keys()) (tried[rule] ??= new Set()).add(trigger);
    }
  }
  const listed = Object.entries(tried).map(([rule, triggers]) => [rule, [...triggers].sort()] as const);
  const named = Object.entries(ofRust ?? {}).map(([rule, triggers]) => [rule, [...triggers].sort()] as const);
  assert.deepEqual(Object.fromEntries(listed), Object.fromEntries(named));
});

/** `cargo local`, where it was built: then this library is compared with what the Rust code says of the same file. */
const LOCAL = join(process.env['CARGO_TARGET_DIR'] ?? 'target', 'debug/local');

function local(text: string, ...command: string[]): string {
  const here = folder();
  const file = join(here, 'triggers.toml');
  writeFileSync(file, text);
  const env = {
    PATH: process.env['PATH'],
    NO_COLOR: '1',
    TRIGGERS_KEY: '00'.repeat(32),
    TRIGGERS_LEDGER: 'dynamodb:ledger',
    TRIGGERS_DIRECTORY: 'cognito',
    TRIGGERS_MAILER: `ses:${MAIL.from}?configuration-set=acme`,
    TRIGGERS_BUCKET: 's3:files',
    TRIGGERS_PUBLISHER: 'eventbridge:events',
    TRIGGERS_LINKS: 'https://links.example/',
  };
  const said = spawnSync(LOCAL, [command[0] as string, file, ...command.slice(1)], { encoding: 'utf8', env });
  assert.equal(said.status, 0, `${said.stderr}${said.stdout}\n${text}`);
  return said.stdout;
}

const AT_HOME = ['--account', '111122223333', '--region', 'eu-central-1', '--pool', 'eu-central-1_Example01'];

for (const [name, props] of Object.entries(CASES)) {
  const options = { skip: existsSync(LOCAL) ? false : 'cargo local is not built' };

  test(`${name}: the policies are those that cargo local prints`, options, () => {
    const { template, triggers } = made({ removalPolicy: undefined, ...props } as CognitoTriggersProps);
    for (const [role, fn] of [
      ['Pool', 'pool'],
      ['Courier', 'courier'],
      ['Links', 'links'],
      ['SessionRelease', 'session-release'],
    ] as const) {
      if (
        { Pool: true, Courier: triggers.courier, Links: triggers.links, SessionRelease: triggers.sessionRelease }[
          role
        ] === undefined
      )
        continue;
      const printed = JSON.parse(local(triggers.toml, 'policy', '--function', fn, ...AT_HOME)) as Policy;
      const expected = Object.fromEntries(
        printed.Statement.map((statement) => [statement.Sid, [statement.Action].flat().sort()]),
      );
      assert.deepEqual(actions(template, role), expected, role);
      const here = allowed(template, role);
      for (const { Sid, Condition, Resource } of printed.Statement) {
        assert.deepEqual(
          here[Sid]?.Condition === undefined ? undefined : listed(here[Sid]?.Condition),
          Condition === undefined ? undefined : listed(Condition),
          Sid,
        );
        if (Sid === 'UserObjects' || Sid === 'TemplateObjects') {
          const keys = JSON.stringify(here[Sid]?.Resource);
          for (const arn of [Resource].flat())
            assert(keys.includes(arn.replace('arn:aws:s3:::files', '')), `${arn}: ${keys}`);
        }
        if (Sid === 'SenderIdentity') assert.equal([Resource].flat().length, [here[Sid]?.Resource].flat().length);
      }
    }
  });

  test(`${name}: with the layout each, so are those of the function of each trigger`, options, () => {
    const all = [...asked(new Configuration(props)).keys()];
    const moreTriggers = all.filter((trigger) => !USUAL.includes(trigger));
    const own = { removalPolicy: undefined, ...props, layout: 'each', moreTriggers };
    const { template, triggers } = made(own as CognitoTriggersProps);
    for (const trigger of all) {
      const printed = JSON.parse(local(triggers.toml, 'policy', '--only', trigger, ...AT_HOME)) as Policy;
      const expected = Object.fromEntries(
        printed.Statement.map((statement) => [statement.Sid, [statement.Action].flat().sort()]),
      );
      assert.deepEqual(actions(template, trigger), expected, trigger);
    }
  });

  test(`${name}: rules are asked where cargo local says`, options, () => {
    const configuration = new Configuration(props);
    const said = local(configuration.toml(), 'check')
      .replace(/→\n\s+/g, '→ ')
      .split('\n\n')
      .filter((part) => /^ {2}[A-Z]\w+ {2,}/m.test(part));
    const expected = new Map<string, Set<string>>();
    for (const line of said.flatMap((part) => part.split('\n'))) {
      const [, trigger, rules] = /^ {2}([A-Z]\w+) {2,}(\S.*)$/.exec(line) ?? [];
      if (trigger === undefined || rules === undefined) continue;
      const chain = expected.get(trigger) ?? new Set<string>();
      for (const rule of rules.split(' → ')) chain.add(rule.trim());
      expected.set(trigger, chain);
    }
    assert(expected.size > 0, 'nothing was read');
    const here = new Map(
      [...asked(configuration)].map(([trigger, chain]) => [trigger as string, [...chain.keys()].sort()]),
    );
    assert.deepEqual(
      Object.fromEntries([...here].sort()),
      Object.fromEntries([...expected].map(([trigger, rules]) => [trigger, [...rules].sort()] as const).sort()),
    );
  });
}

interface Policy {
  readonly Statement: readonly { Sid: string; Action: string[]; Resource: string | string[]; Condition?: Condition }[];
}

type Condition = Record<string, Record<string, string | string[]>>;

/** IAM takes one text as well as a list of one. */
const listed = (condition: unknown) =>
  Object.fromEntries(
    Object.entries(condition as Condition).map(([test, keys]) => [
      test,
      Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, [value].flat().sort()])),
    ]),
  );
